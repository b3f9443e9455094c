#!/usr/bin/env bash
# Copyright (c) 2026, stockade.fleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
#
# packages.sh FILE...: install the Debian packages named in the files, as far as they are missing.
set -euo pipefail
# shellcheck source=tests/tools/lib.sh
source "$(dirname "$0")/lib.sh"

mapfile -t wanted < <(for file in "$@"; do words_of "$file"; done | sort -u)

if ! command -v dpkg-query >/dev/null; then
    say "not a Debian system: these packages, or their equivalents, must be there already: ${wanted[*]}"
    exit 0
fi

present="$(dpkg-query -W -f '${Package} ${db:Status-Abbrev}\n' "${wanted[@]}" 2>/dev/null |
    sed -n 's/ ii *$//p' || true)"
mapfile -t missing < <(comm -23 <(printf '%s\n' "${wanted[@]}") <(sort -u <<<"$present"))
[ "${#missing[@]}" -eq 0 ] && exit 0

say "installing system packages: ${missing[*]}"
log="$(mktemp)"
trap 'rm -f "$log"' EXIT
# A machine that has just booted may still be at its own daily apt run.
apt=(env DEBIAN_FRONTEND=noninteractive apt-get -q -o DPkg::Lock::Timeout=300)
if ! {
    # A package list that could not be refreshed may still do.
    as_root "${apt[@]}" update || true
    as_root "${apt[@]}" install -y --no-install-recommends "${missing[@]}"
} </dev/null >"$log" 2>&1; then
    tail -n 30 "$log" >&2
    die "apt could not install ${missing[*]}: see above"
fi
