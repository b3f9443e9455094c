#!/usr/bin/env bash
# Copyright (c) 2026, stockade.fleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
#
# docs.sh: the documentation site of the collection into build/docs.
set -euo pipefail
# shellcheck source=tests/tools/lib.sh
source "$(dirname "$0")/lib.sh"
cd "$ROOT"

work=build/docs-source
rm -rf "$work"
# antsibull-docs writes into directories that only their owner can read.
install -d -m 0700 "$work"
say "docs: reading the collection"
antsibull-docs sphinx-init --use-current --squash-hierarchy --sphinx-theme alabaster --project stockade.fleet \
    --copyright "stockade.fleet contributors" --title stockade.fleet --html-short-title stockade.fleet \
    --dest-dir "$work" stockade.fleet >"$work/init.log"
install -d -m 0700 "$work/rst"
antsibull-docs --config-file "$work/antsibull-docs.cfg" collection --use-current --squash-hierarchy \
    --cleanup everything --dest-dir "$work/rst" stockade.fleet
say "docs: writing build/docs"
# Without intersphinx, which would ask other sites for their indexes; so references to ansible-core's own pages stay
# unresolved. References within the collection are checked by `make lint`.
# A command over several lines is more than the highlighter of consoles knows; it leaves such a block plain.
sphinx-build -b html -q --keep-going -c "$work" -D extensions=sphinx_antsibull_ext \
    -D suppress_warnings=ref.ref,misc.highlighting_failure -D html_theme_options.page_width=1200px "$work/rst" build/docs
say "docs: build/docs/index.html"
