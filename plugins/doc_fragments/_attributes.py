# Copyright (c) 2026, stockade.fleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What every module says about check mode, diff mode, platform and action group.

Note that this doc fragment is **PRIVATE** to the collection. It can have breaking changes at any time.
"""

from __future__ import annotations


class ModuleDocFragment:
    """The parts are used as ``stockade.fleet._attributes`` and ``stockade.fleet._attributes.<part>``."""

    # Standard documentation fragment: every module. Support for check_mode, diff_mode and idempotence is what the
    # house rules ask of a mutating module; a module that differs says so in its own ``attributes``.
    DOCUMENTATION = r"""
options: {}
attributes:
  action_group:
    description: Use C(group/stockade.fleet.all) in C(module_defaults) to set defaults for this module.
    support: full
    membership:
      - stockade.fleet.all
  check_mode:
    description: Can run in C(check_mode) and tells whether it would change the target, without modifying it.
    support: full
  diff_mode:
    description: Returns details on what has changed, or would change in C(check_mode), when in diff mode.
    support: full
  idempotent:
    description: Run twice with the same arguments outside check mode, the second run indicates no change.
    support: full
  platform:
    description: Target OS or families that can be operated against.
    platforms: posix
    support: full
"""

    # For modules that only read (*_info): nothing to predict, nothing to show as a difference.
    INFO_MODULE = r"""
options: {}
attributes:
  check_mode:
    description: Can run in C(check_mode) and tells whether it would change the target, without modifying it.
    support: full
    details:
      - This action does not modify state.
  diff_mode:
    description: Returns details on what has changed, or would change in C(check_mode), when in diff mode.
    support: N/A
    details:
      - This action does not modify state.
  idempotent:
    description: Run twice with the same arguments outside check mode, the second run indicates no change.
    support: full
    details:
      - This action does not modify state.
"""

    # For modules that return ansible_facts (*_facts).
    FACTS = r"""
options: {}
attributes:
  facts:
    description: Action returns an C(ansible_facts) dictionary that will update existing host facts.
    support: full
"""
