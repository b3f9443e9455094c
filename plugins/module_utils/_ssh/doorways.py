# Copyright (c) 2026, stockade.fleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Each thing that keeps a port shut, one by one: ufw, firewalld and SELinux; what opens it there, and what closes it.

Nothing here changes a host: the commands are returned, so that they can be recorded, or only told, first.

Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from typing import Callable, Optional

from ansible_collections.stockade.fleet.plugins.module_utils._errors import StockadeError
from ansible_collections.stockade.fleet.plugins.module_utils._ssh import host

Find = Callable[[str], Optional[str]]

_COMMENT = "stockade-ssh"
_LABEL = "ssh_port_t"
_SSH = 22  # every policy of SELinux labels it, and firewalld's service ssh is this port
_NOT_RUNNING = 252  # exit of firewall-cmd
_NO_SERVICE = 101  # the same, of one that nobody has defined
_PACKAGE = "policycoreutils-python-utils"
_RULE = re.compile(r"ufw (allow|limit|deny|reject) (?!out )(?:in )?(?:log(?:-all)? )?(.*?)(?: comment '([^']*)')?")
_EVERYWHERE = re.compile(r"([0-9:,]+)(?:/tcp)?")
_TO_PORT = re.compile(r"\bto \S+ port ([0-9:,]+)(?! proto udp)\b")
_PROFILE = re.compile(r"(.* to \S+ app )?(?:'([^']+)'|([A-Za-z][\w.+-]*))")
_PORTS_OF_PROFILE = re.compile(r"^Ports?:\n((?:[ \t]+\S+\n?)+)", re.MULTILINE)
_ZONE = re.compile(r"\w[\w.-]*")


@dataclass(frozen=True)
class Step:
    """One command, what it does, and the line of the record that it belongs to.

    Without a command the line is to be forgotten: what it names is not there any more, or is somebody else's by now.
    """

    row: str
    text: str
    command: tuple[str, ...]


@dataclass(frozen=True)
class Rule:
    """One of ufw's rules as it was typed, without what it says of other ports."""

    action: str
    text: str
    comment: str

    @classmethod
    def all_of(cls, shown: str) -> list[Rule]:
        """From the answer of ``ufw show added``; lines that are something else, such as `ufw route`, are left out."""
        found = [_RULE.fullmatch(line.strip()) for line in shown.splitlines()]
        return [cls(match.group(1), match.group(2), match.group(3) or "") for match in found if match]

    def decides(self, port: int) -> bool:
        """Whether it is about this port, whoever comes."""
        match = _EVERYWHERE.fullmatch(self.text)
        return match is not None and _names(match.group(1), port, ":")

    def mentions(self, port: int) -> bool:
        """The same, or about this port for somebody or on some interface only."""
        match = _TO_PORT.search(self.text)
        return self.decides(port) or (match is not None and _names(match.group(1), port, ":"))


class Programs:
    """Programs by their names; some are not there."""

    def __init__(self, run: host.Run, find: Find) -> None:
        self._run = run
        self.find = find

    def ask(self, command: tuple[str, ...], *, fine: tuple[int, ...] = (0,)) -> tuple[int, str]:
        """The exit code, one of ``fine``, and what it printed. Raises StockadeError for others."""
        path = self.find(command[0])
        if path is None:
            raise StockadeError("cannot run {}: it is not installed".format(" ".join(command)))
        rc, out, err = self._run([path, *command[1:]])
        if rc not in fine:
            reason = " ".join((err.strip() or out).split()) or "exit code {}".format(rc)
            raise StockadeError("{} failed: {}".format(" ".join(command), reason))
        return rc, out


class Ufw:
    """Its rules are files of its own: they can be read and changed while it is not active."""

    def __init__(self, programs: Programs) -> None:
        self._ask, self._find = programs.ask, programs.find

    def active(self) -> bool:
        """Whether its rules hold now."""
        return bool(self._find("ufw")) and "Status: active" in self._ask(("ufw", "status"))[1]

    def opening(self, ports: list[int]) -> list[Step]:
        """A rule of the site's for this port stands, whomever it lets in; one that denies it would be overwritten."""
        rules = [self._spelled(rule) for rule in Rule.all_of(self._ask(("ufw", "show", "added"))[1])]
        # The first rule that fits decides: behind one that denies everything ours would be none.
        first = (
            ("prepend",) if any(rule.action in ("deny", "reject") and rule.text == "to any" for rule in rules) else ()
        )
        steps = []
        for port in ports:
            denied = next((rule for rule in rules if rule.decides(port)), None)
            if denied is not None and denied.action in ("deny", "reject"):
                raise StockadeError(
                    "ufw keeps port {} shut by a rule of the site, `ufw {} {}`: delete that rule first".format(
                        port, denied.action, denied.text
                    )
                )
            if not any(rule.action in ("allow", "limit") and rule.mentions(port) for rule in rules):
                command = ("ufw", *first, "allow", "{}/tcp".format(port), "comment", _COMMENT)
                steps.append(Step("ufw {}".format(port), "ufw: allow {}/tcp".format(port), command))
        return steps

    def closing(self, row: str, port: int, _more: str) -> Step | None:
        """The rule with our comment; whoever changed it has made it theirs."""
        if not self._find("ufw"):
            return Step(row, "", ())
        rules = Rule.all_of(self._ask(("ufw", "show", "added"))[1])
        if not any(rule.comment == _COMMENT and rule.text == "{}/tcp".format(port) for rule in rules):
            return Step(row, "", ())
        return Step(row, "ufw: delete allow {}/tcp".format(port), ("ufw", "delete", "allow", "{}/tcp".format(port)))

    def _spelled(self, rule: Rule) -> Rule:
        """The rule with ports where it names an application profile, such as OpenSSH."""
        match = _PROFILE.fullmatch(rule.text)
        if match is None:
            return rule
        info = self._ask(("ufw", "app", "info", match.group(2) or match.group(3)), fine=(0, 1))[1]
        listed = _PORTS_OF_PROFILE.search(info)
        words = listed.group(1).split() if listed else []
        ports = ",".join(word.partition("/")[0] for word in words if not word.endswith("/udp"))
        whom = (match.group(1) or "")[: -len("app ")]
        return replace(rule, text=(whom + "port " if whom else "") + ports) if ports else rule


class Firewalld:
    """What it does now and what it will do after a restart are two things, and the site may have opened only one."""

    def __init__(self, programs: Programs) -> None:
        self._ask, self._find = programs.ask, programs.find

    def active(self) -> bool:
        """Whether its daemon runs."""
        return (
            bool(self._find("firewall-cmd")) and self._ask(("firewall-cmd", "--state"), fine=(0, _NOT_RUNNING))[0] == 0
        )

    def opening(self, ports: list[int]) -> list[Step]:
        """In the default zone, now and for good."""
        zone = self._ask(("firewall-cmd", "--get-default-zone"))[1].strip()
        if not _ZONE.fullmatch(zone):
            raise StockadeError("firewall-cmd --get-default-zone names no zone: {!r}".format(zone[:80]))
        steps = []
        for port in ports:
            for kind in ("firewalld", "firewalld-permanent"):
                if not self._is_open(kind, zone, port) and not self._has_service(kind, zone, port):
                    row = "{} {} {}".format(kind, port, zone)
                    steps.append(Step(row, _said(kind, "allow", port, zone), _firewall(kind, zone, "add", port)))
        return steps

    def closing(self, row: str, port: int, more: str) -> Step | None:
        """None while it does not run: its permanent rules cannot be changed then."""
        kind = row.split(" ")[0]
        if not self._find("firewall-cmd"):
            return Step(row, "", ())
        if not self.active():
            return None if kind == "firewalld-permanent" else Step(row, "", ())
        if not self._is_open(kind, more, port):
            return Step(row, "", ())
        return Step(row, _said(kind, "remove", port, more), _firewall(kind, more, "remove", port))

    def _is_open(self, kind: str, zone: str, port: int) -> bool:
        return self._ask(_firewall(kind, zone, "query", port), fine=(0, 1))[0] == 0

    def _has_service(self, kind: str, zone: str, port: int) -> bool:
        """Whether it is let in by the name of its service, as a zone does that nobody has touched."""
        asked = (*_firewall(kind, zone, "query", port)[:-1], "--query-service=ssh")
        return port == _SSH and self._ask(asked, fine=(0, 1, _NO_SERVICE))[0] == 0


class Selinux:
    """A port that is not labelled cannot be bound by sshd, once SELinux enforces."""

    def __init__(self, programs: Programs) -> None:
        self._ask, self._find = programs.ask, programs.find

    def active(self) -> bool:
        """Whether it has a say, or will have one as soon as somebody has it enforce."""
        return self._mode() in ("enforcing", "permissive")

    def opening(self, ports: list[int]) -> list[Step]:
        """A label for each port that has not got it. Raises StockadeError where sshd could not bind one."""
        if not self._find("semanage"):
            ports = [port for port in ports if port != _SSH]
            if ports and self._mode() == "enforcing":
                raise StockadeError(
                    "SELinux refuses sshd port {} and semanage, which would allow it, is missing: install {}".format(
                        ports[0], _PACKAGE
                    )
                )
            return []
        labels, local = self._labels(), self._labels("-C")
        steps = []
        for port in ports:
            if any(label == _LABEL and _names(numbers, port, "-") for label, numbers in labels):
                continue
            others, mine = (_exactly(port, found) for found in (labels, local))
            row = " ".join(["selinux", str(port), *mine[:1]])
            text = "SELinux: label {}/tcp {}".format(port, _LABEL) + (" instead of " + others[0] if others else "")
            steps.append(Step(row, text, _relabel("-m" if others else "-a", port, _LABEL)))
        return steps

    def closing(self, row: str, port: int, more: str) -> Step | None:
        """None without the means. ``more`` is the label that the site had given; one of the policy's comes back."""
        if not self._find("semanage") or not self.active():
            return None
        if _LABEL not in _exactly(port, self._labels("-C")):
            return Step(row, "", ())
        if more:
            return Step(row, "SELinux: label {}/tcp {}".format(port, more), _relabel("-m", port, more))
        text = "SELinux: take {} from {}/tcp".format(_LABEL, port)
        return Step(row, text, ("semanage", "port", "-d", "-p", "tcp", str(port)))

    def _mode(self) -> str:
        return self._ask(("getenforce",))[1].strip().lower() if self._find("getenforce") else ""

    def _labels(self, *options: str) -> list[tuple[str, str]]:
        """Labels and the TCP ports that have them, as `22, 2000-2100`."""
        lines = [line.split(None, 2) for line in self._ask(("semanage", "port", "-l", *options))[1].splitlines()]
        return [(words[0], words[2]) for words in lines if len(words) == 3 and words[1] == "tcp"]


def _names(numbers: str, port: int, dash: str) -> bool:
    """Whether a list such as `22,2000:2100` has this port in it."""
    for part in numbers.split(","):
        ends = part.strip().split(dash)
        if all(end.isdigit() for end in ends) and int(ends[0]) <= port <= int(ends[-1]):
            return True
    return False


def _exactly(port: int, labels: list[tuple[str, str]]) -> list[str]:
    """The labels that this very port has; one of a range that it lies in goes without saying."""
    return [label for label, numbers in labels if str(port) in numbers.replace(",", " ").split()]


def _relabel(option: str, port: int, label: str) -> tuple[str, ...]:
    return ("semanage", "port", option, "-t", label, "-p", "tcp", str(port))


def _firewall(kind: str, zone: str, verb: str, port: int) -> tuple[str, ...]:
    when = ("--permanent",) if kind == "firewalld-permanent" else ()
    return ("firewall-cmd", *when, "--zone={}".format(zone), "--{}-port={}/tcp".format(verb, port))


def _said(kind: str, verb: str, port: int, zone: str) -> str:
    when = "permanent" if kind == "firewalld-permanent" else "runtime"
    return "firewalld: {} {}/tcp in zone {} ({})".format(verb, port, zone, when)
