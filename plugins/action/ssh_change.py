# Copyright (c) 2026, stockade.fleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The controller's half of the ssh_change module: find a host whose sshd moved to another port."""

from __future__ import annotations

import typing as t

from ansible.plugins.action import ActionBase

from ansible_collections.stockade.fleet.plugins.plugin_utils import _answer, _new_login


class ActionModule(ActionBase):
    """One round trip, by the port of the inventory or the one that was given."""

    _supports_check_mode = True
    _supports_diff = True

    def run(self, tmp: str | None = None, task_vars: dict[str, t.Any] | None = None) -> dict[str, t.Any]:
        """See the module's documentation."""
        result: dict[str, t.Any] = super().run(tmp, task_vars)

        def work() -> dict[str, t.Any]:
            return _answer.cleaned(self._execute_module(task_vars=task_vars))

        outcome, port = _new_login.anywhere(self, work, self._task.args.get("port"))
        return {**result, **outcome, "port": port}
