# Copyright (c) 2026, stockade.fleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A report as filters get it: a dictionary, or the JSON text that travels faster through Ansible's variables.

Note that this plugin util is **PRIVATE** to the collection. It can have breaking changes at any time.
"""

from __future__ import annotations

import functools
import json
import typing as t

from ansible.errors import AnsibleFilterError


def report_of(value: t.Any, *, name: str) -> t.Mapping[str, t.Any]:
    """The report. Raises AnsibleFilterError, with the name of the filter, if it is none."""
    report = _parsed(value) if isinstance(value, str) else value
    if not isinstance(report, t.Mapping) or "bans" not in report:
        kind = type(value).__name__
        raise AnsibleFilterError("%s takes a report of stockade.fleet.merge_bans, not this %s" % (name, kind))
    return report


@functools.lru_cache(maxsize=1)
def _parsed(text: str) -> t.Any:
    """The content of a JSON text, None if it is none. Of a large fleet it is long, and several filters get the same."""
    try:
        return json.loads(text)
    except (RecursionError, ValueError):
        return None
