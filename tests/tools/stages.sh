#!/usr/bin/env bash
# Copyright (c) 2026, stockade.fleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
#
# stages.sh TARGET...: run these make targets one after the other, with headings and times; stop at the first failure.
# The times stand before the last stage, so that its own last line is the last line of all.
set -euo pipefail
# shellcheck source=tests/tools/lib.sh
source "$(dirname "$0")/lib.sh"
cd "$ROOT"

total=$#
number=0
times=""
for stage in "$@"; do
    number=$((number + 1))
    if [ "$number" -eq "$total" ] && [ -n "$times" ]; then say "passed:$times"; fi
    printf '\n==> stage %d of %d: %s\n' "$number" "$total" "$stage"
    began=$SECONDS
    "${MAKE:-make}" --no-print-directory "$stage" </dev/null || die "stage $stage after $((SECONDS - began)) s"
    times="$times $stage $((SECONDS - began)) s,"
done
