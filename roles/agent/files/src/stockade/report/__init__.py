# Copyright (c) 2026, stockade.fleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The reports of a single host, `stockade report traffic` and `stockade report security`, and what their timers do.

One way: `sources` (the warden, fail2ban's log, the watcher's words in the journal) → `rows` → `show` → the terminal, or
`keep` (the log) and `deliver` (a command of the site). Nothing here decides about a ban, or asks the network.
"""
