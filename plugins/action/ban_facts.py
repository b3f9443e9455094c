# Copyright (c) 2026, stockade.fleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The controller's half of the ban_facts module: what a host answers is looked at, and sets nothing."""

from __future__ import annotations

import typing as t

from ansible.plugins.action import ActionBase

from ansible_collections.stockade.fleet.plugins.plugin_utils import _answer


class ActionModule(ActionBase):
    """One round trip."""

    _supports_check_mode = True
    _supports_diff = True
    _supports_async = True

    def run(self, tmp: str | None = None, task_vars: dict[str, t.Any] | None = None) -> dict[str, t.Any]:
        """See the module's documentation."""
        result: dict[str, t.Any] = super().run(tmp, task_vars)
        return dict(result, **_answer.ask(self, task_vars, facts=("stockade",)))
