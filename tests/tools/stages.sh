#!/usr/bin/env bash
# Copyright (c) 2026, stockade.fleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
#
# stages.sh TARGET... [// TARGET...]: run these make targets one after the other, with headings and times; stop at the
# first failure. What stands behind // runs beside the rest, and is shown when both are done: the hosts of the fleet
# wait for deadlines most of the time. The times stand before the last stage, so that its own last line is the last of all.
set -euo pipefail
# shellcheck source=tests/tools/lib.sh
source "$(dirname "$0")/lib.sh"
cd "$ROOT"

in_order() {
    local total=$# number=0 times="" stage began
    for stage in "$@"; do
        number=$((number + 1))
        if [ "$number" -eq "$total" ] && [ -n "$times" ]; then say "passed:$times"; fi
        printf '\n==> stage %d of %d: %s\n' "$number" "$total" "$stage"
        began=$SECONDS
        "${MAKE:-make}" --no-print-directory "$stage" </dev/null || die "stage $stage after $((SECONDS - began)) s"
        times="$times $stage $((SECONDS - began)) s,"
    done
}

here=()
while [ $# -gt 0 ] && [ "$1" != // ]; do
    here+=("$1")
    shift
done
if [ $# -eq 0 ]; then
    in_order "${here[@]}"
    exit
fi
shift

mkdir -p build
log=build/beside.log
# Groups of their own, so that all of one can be ended.
set -m
in_order "${here[@]}" &
first=$!
nice -n 10 "$0" "$@" >"$log" 2>&1 &
second=$!
set +m
trap 'kill -- "-$first" "-$second" 2>/dev/null || true' EXIT
failed=0
wait -n || failed=1
if [ "$failed" -eq 0 ]; then wait -n || failed=1; fi
kill -- "-$first" "-$second" 2>/dev/null || true
trap - EXIT
cat "$log"
exit "$failed"
