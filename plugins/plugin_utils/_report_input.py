# Copyright (c) 2026, stockade.fleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A report as filters get it: a dictionary, or the JSON text that travels faster through Ansible's variables.

Note that this plugin util is **PRIVATE** to the collection. It can have breaking changes at any time.
"""

from __future__ import annotations

import json
import typing as t

from ansible.errors import AnsibleFilterError


def report_of(value: t.Any, *, name: str) -> t.Mapping[str, t.Any]:
    """The report. Raises AnsibleFilterError, with the name of the filter, if it is none."""
    report = value
    if isinstance(value, str):
        try:
            report = json.loads(value)
        except (RecursionError, ValueError):
            report = None
    if not isinstance(report, t.Mapping) or "bans" not in report:
        kind = type(value).__name__
        raise AnsibleFilterError("%s takes a report of stockade.fleet.merge_bans, not this %s" % (name, kind))
    return report
