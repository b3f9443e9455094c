# Copyright (c) 2026, stockade.fleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The watcher reads logs, counts, and asks the warden to ban.

One way: input -> format -> rules -> verdict -> warden. Everything before the warden is pure: bytes in, verdicts out.
"""
