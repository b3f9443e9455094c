#!/usr/bin/env bash
# Copyright (c) 2026, stockade.fleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
#
# venv.sh CORE [optional]: make or refresh the environment of that ansible-core version from its lock file.
# With "optional" a machine without a fitting Python is told so and left alone.
set -euo pipefail
# shellcheck source=tests/tools/lib.sh
source "$(dirname "$0")/lib.sh"

core="$1"
optional="${2:-}"
lock="$ROOT/requirements/dev-$core.txt"
venv="$(venv_of "$core")"

[ -f "$lock" ] || die "ansible-core $core: no lock file requirements/dev-$core.txt"

# One environment is made once, whoever asks at the same time.
mkdir -p "$ROOT/build"
exec 9>"$ROOT/build/.venv-$core.lock"
flock 9
cmp -s "$lock" "$venv/.installed" && exit 0

read -ra versions <<<"$(controller_pythons "$core")"
if ! python="$(first_python "${versions[@]}")"; then
    if [ "$optional" = optional ]; then
        say "ansible-core $core: skipped, none of Python ${versions[*]} is here"
        exit 0
    fi
    die "ansible-core $core needs one of Python ${versions[*]} with venv: apt-get install python3 python3-venv"
fi

began=$SECONDS
say "making ${venv##*/} (ansible-core $core, $("$python" --version))"
rm -f "$venv/.installed"
[ -x "$venv/bin/python" ] || "$python" -m venv --clear "$venv"
# -qq: without the warnings about every index that lacks a package.
"$venv/bin/python" -m pip install -qq --disable-pip-version-check --no-deps -r "$lock" ||
    die "the packages of requirements/dev-$core.txt could not be installed: see above"
cp "$lock" "$venv/.installed"
say "${venv##*/} is ready after $((SECONDS - began)) s"
