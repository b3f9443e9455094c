# Copyright (c) 2026, stockade.fleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Annotated log lines: before each line stands what it has to become.

    # {"time": 1790000000, "address": "203.0.113.1", "kind": "failure", "user": "bob"}
    Nov 26 12:00:00 host sshd[1]: Failed password for bob from 203.0.113.1 port 1 ssh2
    # null
    Nov 26 12:00:00 host CRON[1]: nothing about a client

The annotation is JSON: an object, a list of objects (several events of one line) or null (none). Lines that begin with
`## ` and empty lines are remarks. Log lines are bytes; in them `\\xNN` stands for a byte that no editor would keep and
`\\r` for a carriage return only if the annotation line begins with `#\\ ` instead of `# `. Where lines may be none of
their format, the annotation of such a line is "unparsed".
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

from stockade.watcher.events import Format, Message

DATA = Path(__file__).resolve().parents[2] / "data" / "watcher"
_BYTE = re.compile(rb"\\x([0-9a-f]{2})")


def load(path: str | Path) -> list[tuple[Any, bytes]]:
    """What is expected, and the line, of each pair in a corpus (a name relative to tests/data/watcher)."""
    pairs: list[tuple[Any, bytes]] = []
    pending: tuple[Any, bool] | None = None
    for line in (DATA / path).read_bytes().split(b"\n"):
        if pending is not None:
            expected, escaped = pending
            pairs.append((expected, _plain(line) if escaped else line))
            pending = None
        elif line.startswith((b"# ", b"#\\ ")):
            mark, _blank, annotation = line.partition(b" ")
            pending = (json.loads(annotation), mark == b"#\\")
        else:
            assert not line or line.startswith(b"##"), f"{path}: a line without an annotation: {line!r}"
    assert pending is None, f"{path}: an annotation without a line"
    return pairs


def message(event: Message) -> dict[str, Any]:
    """A message as annotations write it: what most do not have is left out."""
    found = {"time": event.time, "address": event.client[0], "kind": event.kind, "user": event.user}
    found |= {"count": event.count} if event.count != 1 else {}
    return found | ({"method": event.method} if event.method else {})


def check(parser: Format, pairs: list[tuple[Any, bytes]], described: Callable[[Any], dict[str, Any]] = message) -> None:
    """To a new parser each line, in its order, is what its annotation says; `described` writes an event as it does."""
    for expected, line in pairs:
        before = parser.unparsed
        found = [described(event) for event in parser.parse([line])]
        assert found == ([] if expected in (None, "unparsed") else [expected]), line
        assert parser.unparsed - before == (expected == "unparsed"), line
    assert parser.parsed + parser.unparsed == len(pairs)


def _plain(line: bytes) -> bytes:
    return _BYTE.sub(lambda match: bytes([int(match[1], 16)]), line).replace(b"\\r", b"\r")
