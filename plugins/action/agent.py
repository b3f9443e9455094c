# Copyright (c) 2026, stockade.fleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The controller's half of the agent module: build the package, and send it only to hosts that do not have it."""

from __future__ import annotations

import base64
import typing as t
import zlib

from ansible.plugins.action import ActionBase

from ansible_collections.stockade.fleet.plugins.plugin_utils import _answer
from ansible_collections.stockade.fleet.plugins.plugin_utils._package import build

MODULE = "stockade.fleet.agent"


class ActionModule(ActionBase):
    """One round trip where the host has this version, two where it has not."""

    _supports_check_mode = True
    _supports_diff = True

    def run(self, tmp: str | None = None, task_vars: dict[str, t.Any] | None = None) -> dict[str, t.Any]:
        """See the module's documentation."""
        result: dict[str, t.Any] = super().run(tmp, task_vars)
        package = build()
        arguments = dict(self._task.args, package_name=package.name)
        outcome = self._execute_module(module_name=MODULE, module_args=arguments, task_vars=task_vars)
        if outcome.pop("package_needed", False) and not outcome.get("failed"):
            arguments["package"] = base64.b64encode(zlib.compress(package.content, 9)).decode()
            outcome = self._execute_module(module_name=MODULE, module_args=arguments, task_vars=task_vars)
        outcome.get("invocation", {}).get("module_args", {}).pop("package", None)
        result.update(_answer.cleaned(outcome))
        return result
