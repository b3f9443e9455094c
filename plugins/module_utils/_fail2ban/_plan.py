# Copyright (c) 2026, stockade.fleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What our files of fail2ban's configuration are to be, against what they are.

Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.
"""

from __future__ import annotations

import os
from typing import Iterable, NamedTuple

from .._errors import StockadeError
from ._files import ACTIONS, DAEMON, FILTERS, JAILS, Kind, ManagedFiles

#: Who is named by others comes first, and goes last: no moment has a jail without its filter.
_ORDER = (DAEMON, FILTERS, ACTIONS, JAILS)


class Declared(NamedTuple):
    """What a module was asked for, of one kind: name -> text, None for what is to go."""

    kind: Kind
    texts: dict[str, str | None]
    prune: bool


class Part:
    """The files of one kind."""

    def __init__(self, config_dir: str, declared: Declared) -> None:
        """Raises StockadeError where a wanted file is somebody else's."""
        self.files = ManagedFiles(config_dir, declared.kind)
        self.before = self.files.read()
        wanted = dict(declared.texts)
        for name, text in wanted.items():
            if text is not None:
                self.files.claim(name)
        if declared.prune:
            wanted.update({name: None for name in self.before if name not in wanted})
        self.changes = {name: text for name, text in sorted(wanted.items()) if self._differs(name, text)}

    def _differs(self, name: str, text: str | None) -> bool:
        if self.before.get(name) != text:
            return True
        return text is not None and self.files.untidy(name)

    def diff(self) -> list[dict[str, str]]:
        """Return the changes as Ansible shows them."""
        return [
            {
                "before_header": self.files.path(name),
                "after_header": self.files.path(name),
                "before": self.before.get(name, ""),
                "after": text or "",
            }
            for name, text in self.changes.items()
        ]


class Plan:
    """The files of all kinds that one call declares, and which jails it wants on or off."""

    def __init__(
        self, config_dir: str, declared: Iterable[Declared], *, on: Iterable[str] = (), off: Iterable[str] = ()
    ) -> None:
        """Raises StockadeError where a wanted file is somebody else's."""
        self.config_dir = config_dir
        self.parts = {one.kind: Part(config_dir, one) for one in declared}
        #: Jails declared on or off in so many words.
        self.on, self.off = set(on), set(off)

    @property
    def changed(self) -> bool:
        """Whether any file is to change."""
        return any(part.changes for part in self.parts.values())

    def changes(self, kind: Kind) -> dict[str, str | None]:
        """Return name -> text, None for what goes, of the files of one kind that are to change."""
        return self.parts[kind].changes if kind in self.parts else {}

    def diff(self) -> list[dict[str, str]]:
        """Return the changes as Ansible shows them."""
        return [line for kind in _ORDER if kind in self.parts for line in self.parts[kind].diff()]

    def write(self, config_dir: str | None = None) -> None:
        """Write all changes, live or into a copy of the configuration. Raises OSError."""
        for kind, changes in self._steps():
            files = ManagedFiles(config_dir or self.config_dir, kind)
            if any(text is not None for text in changes.values()):
                os.makedirs(files.directory, exist_ok=True)
            files.apply(changes)

    def undo(self) -> str:
        """Put the files back as they were; return what did not go back and why, nothing if all did."""
        lost = []
        for kind, changes in reversed(list(self._steps())):
            part = self.parts[kind]
            for name in changes:
                try:
                    if part.files.read().get(name) != part.before.get(name):  # on a full disk it may never have changed
                        part.files.apply({name: part.before.get(name)})
                except (StockadeError, OSError) as e:
                    lost.append("%s (%s)" % (part.files.path(name), getattr(e, "strerror", None) or e))
        return ", ".join(lost)

    def _steps(self) -> Iterable[tuple[Kind, dict[str, str | None]]]:
        """What is written and in which order: new filters and actions, jails, filters and actions that go."""
        named = [kind for kind in _ORDER if kind is not JAILS]
        for kind in named:
            yield from self._step(kind, gone=False)
        yield from self._step(JAILS)
        for kind in named:
            yield from self._step(kind, gone=True)

    def _step(self, kind: Kind, *, gone: bool | None = None) -> Iterable[tuple[Kind, dict[str, str | None]]]:
        found = {name: text for name, text in self.changes(kind).items() if gone is None or (text is None) is gone}
        if found:
            yield kind, found
