# Copyright (c) 2026, stockade.fleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the modules about fail2ban have in common.

Note that this doc fragment is **PRIVATE** to the collection. It can have breaking changes at any time.
"""

from __future__ import annotations


class ModuleDocFragment:
    """The parts are used as ``stockade.fleet._fail2ban`` and ``stockade.fleet._fail2ban.declares``."""

    DOCUMENTATION = r"""
options:
  config_dir:
    description: Directory of fail2ban's configuration.
    type: path
    default: /etc/fail2ban
requirements:
  - fail2ban 1.0 or later
"""

    # For modules that declare many of a kind.
    DECLARES = r"""
options:
  state:
    description:
      - V(present) writes what is declared.
      - V(absent) removes the files of this module for what is named, and nothing but the name counts. What a jail still
        uses cannot go.
    type: str
    choices: [present, absent]
    default: present
  prune:
    description: Also remove the files of this module for whatever is not named. Foreign files are never removed.
    type: bool
    default: false
"""
