#!/usr/bin/env bash
# Copyright (c) 2026, stockade.fleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
#
# molecule.sh SCENARIO: run one scenario. Molecule calls a step without tests or without its playbook a success: here it
# is a failure.
set -euo pipefail
# shellcheck source=tests/tools/lib.sh
source "$(dirname "$0")/lib.sh"
cd "$ROOT"

say "molecule: scenario $1"
mkdir -p build/molecule
export NO_COLOR=1
molecule reset --scenario-name "$1" >/dev/null 2>&1 # it remembers that it has prepared
molecule test --scenario-name "$1" 2>&1 | tee "build/molecule/$1.log"
if grep -E 'no tests found|Missing playbook' "build/molecule/$1.log"; then die "scenario $1 has a step that did nothing"; fi
