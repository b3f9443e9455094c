# Copyright (c) 2026, stockade.fleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Of what a host answers to a module nothing becomes part of the play.

ansible-core makes variables of ``ansible_facts`` in the answer of any module, and a job's artifacts of
``ansible_stats``. It is the host that answers: one that was taken over could set the program that publishes the report,
which the controller runs, waive its own findings, or name a file of the controller as the list of the next task.

Note that this plugin util is **PRIVATE** to the collection. It can have breaking changes at any time.
"""

from __future__ import annotations

import typing as t

if t.TYPE_CHECKING:
    from ansible.plugins.action import ActionBase

_TAKEN_BY_CORE = ("ansible_facts", "ansible_stats")
_INTERPRETER = "discovered_interpreter_"  # begins the facts that the controller itself adds: where the host's Python is


def ask(action: ActionBase, task_vars: dict[str, t.Any] | None, *, facts: t.Collection[str] = ()) -> dict[str, t.Any]:
    """The answer of the task's own module, of its ``ansible_facts`` only those named in ``facts``."""
    in_background = action._task.async_val and not action._connection.has_native_async
    return cleaned(action._execute_module(task_vars=task_vars, wrap_async=in_background), facts=facts)


def cleaned(outcome: dict[str, t.Any], *, facts: t.Collection[str] = ()) -> dict[str, t.Any]:
    """The answer of a module, of its ``ansible_facts`` only those named in ``facts``."""
    told = outcome.get("ansible_facts")
    told = told if isinstance(told, t.Mapping) else {}
    kept = {name: told[name] for name in told if name in facts or str(name).startswith(_INTERPRETER)}
    answer = {key: value for key, value in outcome.items() if key not in _TAKEN_BY_CORE}
    return {**answer, "ansible_facts": kept} if kept else answer
