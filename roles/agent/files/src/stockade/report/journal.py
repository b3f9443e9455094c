# Copyright (c) 2026, stockade.fleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The journal, asked by its own program: which unit said a line the journal itself vouches for."""

from __future__ import annotations

import json
import subprocess
import tempfile
from collections.abc import Iterator
from typing import NamedTuple

JOURNALCTL = "/usr/bin/journalctl"
_FIELDS = "MESSAGE,LOGGER,SYSLOG_IDENTIFIER"
# What it says on standard error, with the exit code of success, where there is a journal that it cannot read, or none.
_UNSEEN = ("permission", "not seeing messages", "No journal files")


class NoJournal(Exception):
    """The journal cannot be read; the text says why."""


class Entry(NamedTuple):
    """One line: when it came (epoch seconds), the name of the logger or program, and what it says."""

    at: int
    name: str
    message: str


def entries(unit: str, since: int) -> Iterator[Entry]:
    """What a unit said since then (epoch seconds), oldest first, line by line. Raises NoJournal."""
    command = [JOURNALCTL, "--no-pager", "--output=json", f"--output-fields={_FIELDS}"]
    command += [f"--since=@{since}", f"_SYSTEMD_UNIT={unit}"]
    with tempfile.TemporaryFile() as complaints:  # a pipe that nobody reads yet could fill up
        try:
            process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=complaints)
        except OSError as error:
            raise NoJournal(f"{JOURNALCTL}: {error.strerror}") from None
        with process:
            assert process.stdout is not None
            for line in process.stdout:
                if (entry := _entry(line)) is not None:
                    yield entry
        complaints.seek(0)
        said = " ".join(complaints.read(1000).decode("utf-8", "replace").split())
    if process.returncode != 0 or any(words in said for words in _UNSEEN):
        raise NoJournal(said or f"{JOURNALCTL} failed with exit code {process.returncode}")


def _entry(line: bytes) -> Entry | None:
    try:
        fields = json.loads(line)
        at = int(fields["__REALTIME_TIMESTAMP"]) // 1_000_000
    except (RecursionError, ValueError, KeyError, TypeError):
        return None
    message, name = fields.get("MESSAGE"), fields.get("LOGGER") or fields.get("SYSLOG_IDENTIFIER")
    if not isinstance(message, str) or not isinstance(name, str):  # bytes that are no text come as numbers
        return None
    return Entry(at, name, message)
