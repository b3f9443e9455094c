#!/usr/bin/env bash
# Copyright (c) 2026, stockade.fleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
#
# lint.sh: every linter, two at a time, each quiet unless it has something to say.
set -euo pipefail
# shellcheck source=tests/tools/lib.sh
source "$(dirname "$0")/lib.sh"
cd "$ROOT"
logs=build/lint
mkdir -p "$logs"
rm -f "$logs"/*.failed

collection=.collections/ansible_collections/stockade/fleet

lint_ruff() {
    local status=0
    ruff check --quiet --output-format concise . || status=1
    ruff format --check --output-format concise . || status=1
    return "$status"
}
lint_house() { python tests/tools/check_house.py; }
lint_yamllint() { yamllint --strict .; }
lint_changelog() { antsibull-changelog lint; }
lint_ansible() { ansible-lint -q --nocolor; }
lint_docs() { antsibull-docs lint-collection-docs --plugin-docs "$collection"; }
lint_mypy() {
    local -a places=("$collection/plugins" roles/agent/files/src tests/tools tests/fleet tests/bench tests/awx)
    local status=0
    mypy --no-error-summary "${places[@]}" || status=1
    # By itself: its conftest.py would be the second of that name.
    mypy --no-error-summary tests/browser || status=1
    # By itself: fail2ban wants the action's file to have the name that is the agent's package. No fail2ban is here.
    mypy --no-error-summary --config-file= --strict --python-version 3.11 --cache-dir build/mypy_cache \
        --ignore-missing-imports --allow-subclassing-any roles/fail2ban/files/action.d/stockade.py || status=1
    return "$status"
}

lint() {
    local name="$1" began=$SECONDS status=0
    "lint_$name" >"$logs/$name.log" 2>&1 </dev/null || status=1
    # One at a time from here: two linters' words must not mix.
    exec 8>"$logs/.words"
    flock 8
    if [ "$status" -eq 0 ]; then
        printf '    ok     %-10s %3d s\n' "$name" "$((SECONDS - began))"
    else
        touch "$logs/$name.failed"
        printf '    FAILED %-10s %3d s\n' "$name" "$((SECONDS - began))"
        awk '{ print "    | " $0 }' "$logs/$name.log"
    fi
}

say "lint"
# The long ones first.
for name in mypy ansible docs yamllint ruff changelog house; do
    while [ "$(jobs -rp | wc -l)" -ge 2 ]; do wait -n; done
    lint "$name" &
done
wait

failed="$(cd "$logs" && find . -name '*.failed' | sed -e 's#^\./##' -e 's#\.failed$##' | sort | paste -sd' ' -)"
[ -z "$failed" ] || die "lint: $failed"
