# Copyright (c) 2026, stockade.fleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What fail2ban's own test does not test.

Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.

``fail2ban-client -t`` passes expressions that do not compile, expressions without an address and durations that are
none; each stops the server or, at a reload, removes all other jails. So fail2ban's own code is asked: its reader makes
the stream of commands a start would send, and a server that is never started takes them one by one. This runs under
the interpreter fail2ban itself uses, in a process of its own.
"""

from __future__ import annotations

import json
import os
from typing import Any, Callable, List, Tuple

from .._errors import StockadeError

Run = Callable[[List[str]], Tuple[int, str, str]]

_SOURCE = r"""
import json, logging, os, sys

live, wanted, forgiven = sys.argv[1], sys.argv[2], sys.argv[3].split(",")
said = []

class Ear(logging.Handler):
    def emit(self, record):
        said.append(record.getMessage())

logger = logging.getLogger("fail2ban")
logger.handlers[:] = [Ear()]
logger.setLevel(logging.ERROR)
logger.propagate = False

from fail2ban.client.configurator import Configurator
from fail2ban.server.server import Server
from fail2ban.server.transmitter import Transmitter
from fail2ban.version import version

def stream(base, strict):
    reader = Configurator()
    reader.setBaseDir(base)
    reader.readAll()
    good = reader.getOptions(None, None, ignoreWrong=not strict)
    reader.convertToProtocol(allow_no_files=not strict)
    return good, reader.getConfigStream()

def jails(commands):
    found = {}
    for command in commands:
        if command[0] == "add":
            found[command[1]] = [command]
        elif command[0] in ("set", "multi-set") and command[1] in found:
            found[command[1]].append(command)
    return found

errors = []

def complain(jail, setting, why):
    errors.append({"jail": jail, "setting": setting, "error": str(why)})

try:
    before = jails(stream(live, False)[1])
except Exception:
    before = {}  # what is live may be broken: that is often why somebody comes
said[:] = []

after = {}
try:
    good, commands = stream(wanted, True)
    after = jails(commands)
    if not good or said:
        for line in said or ["the configuration cannot be read"]:
            complain(None, None, line)
except Exception as e:
    complain(None, None, e)

def python_action(path):
    if os.path.exists(path):
        with open(path, "rb") as f:
            compile(f.read(), path, "exec")
    elif os.path.basename(path) not in forgiven:
        raise ValueError("action %s does not exist" % path.replace(wanted, live))

if not errors:
    transmitter = Transmitter(Server(daemon=False))
    for jail, commands in after.items():
        python_actions = set()
        for command in commands:
            setting = command[2] if command[0] != "add" else "backend"
            if setting == "addignoreip" or (setting == "action" and command[3] in python_actions):
                continue
            try:
                if setting == "addaction" and len(command) > 4:
                    python_actions.add(command[3])
                    python_action(command[4])
                    continue
                code, value = transmitter.proceed(command)
                if code:
                    raise value
            except Exception as e:
                complain(jail, setting, e)
                if setting == "backend":
                    break

text = json.dumps({"version": version, "live": before, "wanted": after, "errors": errors}, default=str)
sys.stdout.write(text.replace(json.dumps(wanted)[1:-1], json.dumps(live)[1:-1]) + "\n")
sys.stdout.flush()
os._exit(0)  # back ends leave threads behind
"""


class Verdict:
    """What fail2ban would do with a configuration; ``live`` and ``wanted`` are jail -> commands."""

    def __init__(self, told: dict[str, Any]) -> None:
        self.version = str(told["version"])
        self.live: dict[str, list[list[Any]]] = told["live"]
        self.wanted: dict[str, list[list[Any]]] = told["wanted"]
        self.errors: list[dict[str, Any]] = told["errors"]

    def changed(self) -> set[str]:
        """Return the jails that are new or whose commands differ."""
        return {jail for jail, commands in self.wanted.items() if self.live.get(jail) != commands}


def settings(commands: list[list[Any]], setting: str) -> list[list[Any]]:
    """Return the arguments of each command with which a jail gets this setting."""
    return [command[3:] for command in commands if command[0] != "add" and command[2] == setting]


def actions(commands: list[list[Any]]) -> set[str]:
    """Return the names of a jail's actions."""
    return {str(arguments[0]) for arguments in settings(commands, "addaction")}


def backend(commands: list[list[Any]]) -> str:
    """Return the back end a jail is started with."""
    return str(commands[0][2])


def regexes(commands: list[list[Any]]) -> int:
    """Return how many failure expressions a jail has."""
    return sum(len(a[0]) if isinstance(a[0], list) else 1 for a in settings(commands, "addfailregex"))


def judge(run: Run, *, client: str, live: str, wanted: str, forgiven: tuple[str, ...] = ()) -> Verdict:
    """Compare two configuration directories and try the wanted one.

    :param client: path of ``fail2ban-client``, whose first line names fail2ban's interpreter
    :param forgiven: file names of Python actions that may be missing (a prediction before they are copied)

    Raises StockadeError when fail2ban's code cannot be asked at all.
    """
    command = [*interpreter(client), "-I", "-c", _SOURCE, live, wanted, ",".join(forgiven)]
    rc, out, err = run(command)
    try:
        return Verdict(json.loads(out.strip().splitlines()[-1]))
    except (ValueError, KeyError, IndexError) as e:
        why = (err.strip() or out.strip() or "exit code %d" % rc).splitlines()[-1]
        raise StockadeError("fail2ban's own code cannot be asked to check its configuration: %s" % why) from e


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
