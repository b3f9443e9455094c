#!/usr/bin/env bash
# Copyright (c) 2026, stockade.fleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
#
# lock.sh CORE EXACT INPUT: resolve requirements/INPUT.in with ansible-core EXACT into requirements/dev-CORE.txt.
set -euo pipefail
# shellcheck source=tests/tools/lib.sh
source "$(dirname "$0")/lib.sh"

core="$1" exact="$2" input="$3"
read -ra versions <<<"$(controller_pythons "$core")"
python="$(first_python "${versions[@]}")" || die "ansible-core $core needs one of Python ${versions[*]}"

scratch="$(mktemp -d)"
trap 'rm -rf "$scratch"' EXIT
say "resolving ansible-core $exact with requirements/$input.in on $("$python" --version)"
"$python" -m venv "$scratch/venv"
"$scratch/venv/bin/python" -m pip install -qq --disable-pip-version-check \
    "ansible-core==$exact" -r "$ROOT/requirements/$input.in"
{
    sed -n '1,3p' "$ROOT/requirements/$input.in"
    echo "#"
    echo "# Made by \`make lock\` from requirements/$input.in; do not edit."
    "$scratch/venv/bin/python" -m pip freeze --disable-pip-version-check
} >"$scratch/lock"
mv "$scratch/lock" "$ROOT/requirements/dev-$core.txt"
chmod 0644 "$ROOT/requirements/dev-$core.txt"
