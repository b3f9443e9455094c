#!/usr/bin/env bash
# Copyright (c) 2026, stockade.fleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
#
# unit.sh CORE... -- PYTEST-ARGUMENT...: the unit tests in the environments of these ansible-core versions.
set -euo pipefail
# shellcheck source=tests/tools/lib.sh
source "$(dirname "$0")/lib.sh"
cd "$ROOT"

cores=()
while [ $# -gt 0 ] && [ "$1" != -- ]; do
    cores+=("$1")
    shift
done
shift

# The checkout's ansible.cfg and collections are not what these tests test.
unset ANSIBLE_CONFIG ANSIBLE_COLLECTIONS_PATH
for core in "${cores[@]}"; do
    python="$(venv_of "$core")/bin/python"
    if [ ! -x "$python" ]; then
        say "unit tests: ansible-core $core has no environment here, skipped"
        continue
    fi
    say "unit tests: ansible-core $core, $("$python" --version)"
    "$python" -m pytest --no-header "$@"
done
