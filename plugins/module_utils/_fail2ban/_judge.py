# Copyright (c) 2026, stockade.fleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""fail2ban's own code, asked what it would make of a configuration.

Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.

``fail2ban-client -t`` passes expressions that do not compile, expressions without an address and durations that are
none; each stops the server or, at a reload, removes all other jails. So fail2ban's own code is asked instead, under the
interpreter fail2ban itself uses and in a process of its own: the programs `_trial` and `_trial_samples`.
"""

from __future__ import annotations

import json
import os
import pkgutil
from typing import Any, Callable, Iterable, List, Tuple

from .._errors import StockadeError

# Ansible sends a module what it imports: this is how the two programs get to the host.
from . import _trial, _trial_samples

Run = Callable[[List[str]], Tuple[int, str, str]]


class Verdict:
    """What fail2ban would do with a configuration; ``live`` and ``wanted`` are jail -> commands."""

    def __init__(self, told: dict[str, Any]) -> None:
        self.version = str(told["version"])
        self.live: dict[str, list[list[Any]]] = told["live"]
        self.wanted: dict[str, list[list[Any]]] = told["wanted"]
        #: What a start would set in the server itself, by name.
        self.server: dict[str, Any] = told.get("server", {})
        self.errors: list[dict[str, Any]] = told["errors"]
        #: Jail -> setting -> what the jail answers when it is asked for it.
        self.expected: dict[str, dict[str, Any]] = told["expected"]
        #: The options of a jail that this version reads.
        self.reads: frozenset[str] = frozenset(told["reads"])

    def changed(self) -> set[str]:
        """Return the jails that are new or whose commands differ."""
        return {jail for jail, commands in self.wanted.items() if self.live.get(jail) != commands}

    def acts_anew(self, jail: str) -> bool:
        """Return whether the actions of a jail that was there before are other ones, or do something else."""
        return jail in self.live and _acting(self.live[jail]) != _acting(self.wanted.get(jail, []))


def settings(commands: list[list[Any]], setting: str) -> list[list[Any]]:
    """Return the arguments of each command with which a jail gets this setting."""
    return [command[3:] for command in commands if command[0] != "add" and command[2] == setting]


def actions(commands: list[list[Any]]) -> set[str]:
    """Return the names of a jail's actions."""
    return {str(arguments[0]) for arguments in settings(commands, "addaction")}


def backend(commands: list[list[Any]]) -> str:
    """Return the back end a jail is started with."""
    return str(commands[0][2])


def judge(
    run: Run,
    *,
    client: str,
    live: str,
    wanted: str,
    forgiven: Iterable[str] = (),
    actions: Iterable[str] = (),
) -> Verdict:
    """Compare two configuration directories and try the wanted one.

    :param client: path of ``fail2ban-client``, whose first line names fail2ban's interpreter
    :param forgiven: file names of Python actions that may be missing (a prediction before they are copied)
    :param actions: actions of ours that are tried even where no jail uses them

    Raises StockadeError when fail2ban's code cannot be asked at all.
    """
    job = {"live": live, "wanted": wanted, "forgiven": list(forgiven), "actions": list(actions)}
    return Verdict(_ask(run, client, _trial.__name__, json.dumps(job)))


def judge_samples(run: Run, *, client: str, base: str, filters: dict[str, Any], scratch: str) -> list[str]:
    """Return what is wrong with filters, tried with their sample lines.

    :param base: configuration directory that has the filters
    :param filters: name -> what `_trial_samples` takes of each
    :param scratch: private directory for a file

    Raises StockadeError when fail2ban's code cannot be asked at all.
    """
    path = os.path.join(scratch, "samples.json")
    with open(path, "w", encoding="ascii") as f:
        json.dump({"base": base, "filters": filters}, f)
    return [str(error) for error in _ask(run, client, _trial_samples.__name__, path)["errors"]]


def _ask(run: Run, client: str, program: str, argument: str) -> Any:
    package, _dot, name = program.rpartition(".")
    source = pkgutil.get_data(package, name + ".py")
    if source is None:
        raise StockadeError("the program %s did not come along with the module" % program)
    rc, out, err = run([*interpreter(client), "-I", "-c", source.decode("utf-8"), argument])
    try:
        return json.loads(out.strip().splitlines()[-1])
    except (ValueError, IndexError) as e:
        why = (err.strip() or out.strip() or "exit code %d" % rc).splitlines()[-1]
        raise StockadeError("fail2ban's own code cannot be asked to check its configuration: %s" % why) from e


def _acting(commands: list[list[Any]]) -> list[list[Any]]:
    return [command for command in commands if command[0] != "add" and command[2] in ("addaction", "action")]


def interpreter(script: str) -> list[str]:
    """Return the command that a script's first line names, without options."""
    try:
        with open(script, "rb") as f:
            first = f.readline(512).decode("utf-8", "replace")
    except OSError as e:
        raise StockadeError("cannot read %s: %s" % (script, e.strerror)) from e
    words = first[2:].split() if first.startswith("#!") else []
    if words and os.path.basename(words[0]) == "env":
        words = [word for word in words[1:] if not word.startswith("-") and "=" not in word][:1]
        return ["/usr/bin/env", *words] if words else []
    if not words or "python" not in os.path.basename(words[0]):
        raise StockadeError("%s is no Python script: which interpreter runs fail2ban is not known" % script)
    return words[:1]
