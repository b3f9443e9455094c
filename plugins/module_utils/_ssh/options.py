# Copyright (c) 2026, stockade.fleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The options of ssh_hardening that extras.py answers, for the module's argument spec.

Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.
"""

from __future__ import annotations

from typing import Any

from ansible_collections.stockade.fleet.plugins.module_utils._ssh.extras import FORWARDING
from ansible_collections.stockade.fleet.plugins.module_utils._ssh.hostkeys import KINDS

EXTRAS: dict[str, dict[str, Any]] = {
    "host_keys": {"type": "list", "elements": "str", "choices": list(KINDS), "no_log": False},
    "host_key_rsa_bits": {"type": "int", "no_log": False},
    "moduli": {"type": "bool"},
    "match_blocks": {
        "type": "list",
        "elements": "dict",
        "options": {"match": {"type": "str", "required": True}, "settings": {"type": "dict", "required": True}},
    },
    "banner": {"type": "str"},
    "forwarding": {"type": "str", "choices": list(FORWARDING)},
    "per_source_penalties": {"type": "dict"},
    "user_ca_keys": {"type": "list", "elements": "str", "no_log": False},
    "principals": {"type": "dict"},
    "two_factor": {"type": "bool", "default": False},
    "two_factor_exempt": {"type": "list", "elements": "str"},
}
