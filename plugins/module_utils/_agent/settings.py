# Copyright (c) 2026, stockade.fleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The warden's configuration: written out, and judged by the program that will read it.

Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.
"""

from __future__ import annotations

import json
import tempfile
import typing as t

from ansible_collections.stockade.fleet.plugins.module_utils import _toml as toml
from ansible_collections.stockade.fleet.plugins.module_utils._agent import tree
from ansible_collections.stockade.fleet.plugins.module_utils._agent.tree import Run
from ansible_collections.stockade.fleet.plugins.module_utils._errors import StockadeError

HEADER = "# Managed by the Ansible collection stockade.fleet; changes are overwritten.\n"
KEYS = (
    "origin",
    "default_duration",
    "ban_private",
    "backends",
    "repeat_factor",
    "repeat_window",
    "longest_duration",
)
CHECK_NOT_VALID = 2


def chosen(options: dict[str, t.Any]) -> dict[str, t.Any]:
    """The keys of warden.toml that are set among the module's options."""
    settings = {key: options[key] for key in KEYS if options[key] is not None}
    command = {key: options["command_" + key] for key in ("ban", "unban") if options["command_" + key]}
    return dict(settings, command=command) if command else settings


def render(settings: dict[str, t.Any]) -> str:
    """The text of warden.toml. Raises StockadeError for a value that no TOML file can hold."""
    flat = {key: item for key, item in settings.items() if not isinstance(item, dict)}
    text = HEADER + _lines(flat)
    for key, item in sorted(settings.items()):
        if isinstance(item, dict):
            text += "\n[%s]\n%s" % (key, _lines(item))
    return text


def _lines(settings: dict[str, t.Any]) -> str:
    return "".join("%s = %s\n" % (key, toml.value(item)) for key, item in sorted(settings.items()))


def judge(content: str, *, wanted: str, run: Run) -> None:
    """Have ``content`` read by the version ``wanted``, or where it is not on the host yet by the one that runs.

    Without any version nothing is judged. Raises StockadeError with what the program says: option, value, reason.
    """
    for name in (wanted, tree.current()):
        if name is not None and tree.is_intact(name):
            break
    else:
        return
    problems = _problems(content, name, run)
    if name != wanted:
        # an option may be younger than the version that runs
        problems = [problem for problem in problems if "unknown key" not in problem]
    if problems:
        raise StockadeError("the warden's configuration would not be valid: %s" % "; ".join(problems))


def _problems(content: str, name: str, run: Run) -> list[str]:
    with tempfile.NamedTemporaryFile("w", encoding="utf-8", prefix="stockade-", suffix=".toml") as file:
        file.write(content)
        file.flush()
        directory = tree.version_directory(name)
        rc, out, err = run([tree.PYTHON, "-I", directory, "check", "--json", "--warden-config", file.name])
        if rc == 0:
            return []
        try:
            said = [str(problem) for problem in json.loads(out)["problems"]]
        except (ValueError, KeyError, TypeError):
            said = []
        if rc != CHECK_NOT_VALID or not said:
            words = (err.strip() or out.strip())[-500:]
            raise StockadeError(
                "cannot check the configuration with %s: %s" % (directory, words or "exit code %d" % rc)
            )
        # the watcher's file is checked along with it: that one is not ours to judge
        mark = file.name + ": "
        return [problem[len(mark) :] for problem in said if problem.startswith(mark)]
