# Copyright (c) 2026, stockade.fleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What fail2ban would make of a configuration. A program: `_judge` runs its text under fail2ban's own interpreter.

Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.

fail2ban's reader makes the stream of commands that a start would send; a server that is never started takes them one by
one. So what fails here would have failed there, and what a jail answers here it has to answer there.

Takes one argument, JSON: ``live`` and ``wanted`` (directories), ``forgiven`` (file names of Python actions that may be
missing), ``actions`` (names that no jail need use). Prints one line of JSON: ``version``, ``live`` and ``wanted`` (jail
-> commands), ``server`` (name -> value, as a start would set them), ``expected`` (jail -> setting -> value), ``reads``
(the options of a jail that this version knows), ``errors`` (each with ``jail``, ``setting``, ``error``).
"""

from __future__ import annotations

import json
import logging
import os
import re
import sys
from typing import Any

#: What a loaded jail is asked for, here and on the running server.
SETTINGS = (
    "failregex", "ignoreregex", "prefregex", "logpath", "journalmatch", "usedns", "maxlines", "maxretry", "findtime",
    "bantime",
)  # fmt: skip
_EXPRESSIONS = ("addfailregex", "addignoreregex")
#: A tag in a command that fail2ban replaces when it runs it; what is not replaced, the shell takes for a redirection.
_TAG = re.compile(r"(?<![<\\])<([A-Za-z][\w./-]*)>")
_DYNAMIC = re.compile(r"(?:F-[A-Z0-9_-]+|jail\.[\w.]+|ip(?:-[a-z]+)?|fid|br|sp)\Z")
_COMMANDS = ("actionban", "actionunban", "actionstart", "actionstop", "actioncheck", "actionflush", "actionprolong")


class Ear(logging.Handler):
    """Keeps what fail2ban logs."""

    def __init__(self) -> None:
        super().__init__()
        self.said: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.said.append(record.getMessage())


class Trial:
    """The wanted configuration, tried."""

    def __init__(self, job: dict[str, Any]) -> None:
        self._live, self._wanted, self._forgiven = job["live"], job["wanted"], job["forgiven"]
        self._actions: list[str] = job["actions"]
        self.errors: list[dict[str, Any]] = []
        self._ear = Ear()
        logger = logging.getLogger("fail2ban")
        logger.handlers[:] = [self._ear]
        logger.setLevel(logging.ERROR)
        logger.propagate = False

    def complain(self, jail: str | None, setting: str | None, why: object) -> None:
        self.errors.append({"jail": jail, "setting": setting, "error": str(why).replace(self._wanted, self._live)})

    def run(self) -> dict[str, Any]:
        from fail2ban.client.jailreader import JailReader
        from fail2ban.version import version

        try:
            live = _by_jail(_stream(self._live, strict=False)[1])
        except Exception:
            live = {}  # what is live may be broken: that is often why somebody comes
        self._ear.said.clear()
        wanted: Any = {}
        server: dict[str, Any] = {}
        try:
            good, commands = _stream(self._wanted, strict=True)
            wanted, server = _by_jail(commands), _of_server(commands)
            if not good or self._ear.said:
                for said in self._ear.said or ["the configuration cannot be read"]:
                    self.complain(None, None, said)
        except Exception as e:
            for said in self._ear.said:
                self.complain(None, None, said)
            self.complain(getattr(e, "section", None), getattr(e, "option", None), e)  # configparser says where
        expected = {} if self.errors else self._load(wanted)
        if not self.errors:
            self._try_actions()
        return {
            "version": version, "live": live, "wanted": wanted, "server": server, "expected": expected,
            "errors": self.errors, "reads": sorted(JailReader._configOpts),
        }  # fmt: skip

    def _load(self, wanted: Any) -> dict[str, dict[str, Any]]:
        """Have a server take every command; what each jail is then, by setting."""
        from fail2ban.server.server import Server
        from fail2ban.server.transmitter import Transmitter

        transmitter = Transmitter(Server(daemon=False))
        expected = {}
        for jail, commands in wanted.items():
            if self._feed(transmitter, jail, commands):
                expected[jail] = {
                    setting: value
                    for setting in SETTINGS
                    for code, value in [transmitter.proceed(["get", jail, setting])]
                    if code == 0
                }
        return expected

    def _feed(self, transmitter: Any, jail: str, commands: list[list[Any]]) -> bool:
        """Give a server the commands of one jail; whether there is a jail afterwards."""
        python_actions = set()
        for command in _singly(commands):
            setting = command[2] if command[0] != "add" else "backend"
            if setting == "addignoreip" or (setting == "action" and command[3] in python_actions):
                continue
            try:
                if setting == "addaction" and len(command) > 4:
                    python_actions.add(command[3])
                    self._python_action(command[4])
                    continue
                code, value = transmitter.proceed(command)
                if code:
                    raise value
            except Exception as e:
                self.complain(jail, setting, _in_words(setting, command, e))
                if setting == "backend":
                    return False
            if setting == "action":
                self._check_tags(jail, command)
        return True

    def _python_action(self, path: str) -> None:
        if os.path.exists(path):
            with open(path, "rb") as f:
                compile(f.read(), path, "exec")
        elif os.path.basename(path) not in self._forgiven:
            raise ValueError("action %s does not exist" % path)

    def _check_tags(self, jail: str, command: list[Any]) -> None:
        """Complain of a tag in one of our actions that nothing replaces, such as ``<pi>`` for ``<ip>``."""
        from fail2ban.server.action import ADD_REPL_TAGS
        from fail2ban.server.actions import Actions

        if command[3] not in self._actions:
            return
        pairs = command[4] if command[0] == "multi-set" else [command[4:6]]
        known = {str(key).split("?", 1)[0] for key, _value in pairs} | {*Actions.ActionInfo.AI_DICT, *ADD_REPL_TAGS}
        for key, text in pairs:
            for tag in _TAG.findall(str(text)) if key in _COMMANDS else ():
                if tag not in known and not _DYNAMIC.match(tag):
                    self.complain(jail, "action %s" % command[3], "%s: nothing replaces the tag <%s>" % (key, tag))

    def _try_actions(self) -> None:
        """Try our actions that no jail may use yet, in a jail made for it."""
        from fail2ban.client.actionreader import ActionReader
        from fail2ban.server.server import Server
        from fail2ban.server.transmitter import Transmitter

        for name in self._actions:
            jail = "stockade-trial"
            transmitter = Transmitter(Server(daemon=False))
            try:
                reader = ActionReader(name, jail, {}, share_config={}, basedir=self._wanted)
                if not reader.read():
                    raise ValueError("cannot be read")
                reader.getOptions({})
                self._feed(transmitter, jail, [["add", jail, "polling"], *reader.convert()])
            except Exception as e:
                self.complain(None, "action %s" % name, e)
        for error in self.errors:
            if error["jail"] == "stockade-trial":
                error["jail"] = None


def _stream(base: str, *, strict: bool) -> tuple[bool, list[list[Any]]]:
    """Whether a configuration directory could be read, and the commands of a start."""
    from fail2ban.client.configurator import Configurator

    reader = Configurator()
    reader.setBaseDir(base)
    reader.readAll()
    good = reader.getOptions(None, None, ignoreWrong=not strict)
    reader.convertToProtocol(allow_no_files=not strict)
    return good, reader.getConfigStream()


def _singly(commands: list[list[Any]]) -> list[list[Any]]:
    """The same commands, one for each expression, so that it is known which one is wrong."""
    found: list[list[Any]] = []
    for command in commands:
        if command[0] == "multi-set" and command[2] in _EXPRESSIONS:
            found += [["set", command[1], command[2], value] for value in command[3]]
        else:
            found.append(command)
    return found


def _in_words(setting: str, command: list[Any], error: Exception) -> str:
    """What is wrong; of an expression as it was written, not as fail2ban has expanded it."""
    said = str(error)
    if setting in _EXPRESSIONS and "compile" in said:
        return "%r does not compile: %s" % (command[3], said.splitlines()[-1])
    return said


def _of_server(commands: list[list[Any]]) -> dict[str, Any]:
    """What a start tells the server itself: three words, without a jail."""
    return {command[1]: command[2] for command in commands if command[0] == "set" and len(command) == 3}


def _by_jail(commands: list[list[Any]]) -> dict[str, list[list[Any]]]:
    found: dict[str, list[list[Any]]] = {}
    for command in commands:
        if command[0] == "add":
            found[command[1]] = [command]
        elif command[0] in ("set", "multi-set") and command[1] in found:
            found[command[1]].append(command)
    return found


def main() -> None:
    """Try, and print what came of it."""
    job = json.loads(sys.argv[1])
    text = json.dumps(Trial(job).run(), default=str)
    sys.stdout.write(text.replace(json.dumps(job["wanted"])[1:-1], json.dumps(job["live"])[1:-1]) + "\n")
    sys.stdout.flush()
    os._exit(0)  # back ends leave threads behind


if __name__ == "__main__":
    main()
