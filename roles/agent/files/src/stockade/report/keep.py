# Copyright (c) 2026, stockade.fleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a timer's run leaves: a log that only grows, and the report given to a command of the site."""

from __future__ import annotations

import os
import stat
import subprocess
import time
from pathlib import Path

from stockade.report.config import PLACEHOLDER
from stockade.text import visible

TIMEOUT = 60.0  # seconds for the command
MODE = 0o640
_MAX_ARGUMENT = 100_000  # bytes; Linux takes 128 KiB as one argument (MAX_ARG_STRLEN)
_MAX_SAID = 2000  # characters of what the command said


class NotKept(Exception):
    """The log cannot be written, or the command failed; the text says which, and why."""


class RunLog:
    """The log of one kind of report, for the runs of the timer. Nothing that is there is ever written over.

    Raises NotKept where it cannot be written: there is no other place to write to.
    """

    def __init__(self, directory: Path, kind: str) -> None:
        self.path = directory / f"{kind}.log"
        flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
        try:
            self._file = os.open(self.path, flags, MODE)
            regular = stat.S_ISREG(os.fstat(self._file).st_mode)
        except OSError as error:
            raise self._error(error.strerror) from None
        if not regular:
            os.close(self._file)
            raise self._error("it is no regular file")

    def line(self, text: str) -> None:
        """One line with the time before it."""
        self._write(f"{time.strftime('%Y-%m-%dT%H:%M:%S%z', time.localtime(time.time()))}: {text}\n")

    def report(self, text: str) -> None:
        """A report as it is."""
        self._write(text)

    def _write(self, text: str) -> None:
        left = text.encode("utf-8", "backslashreplace")
        try:
            while left:
                left = left[os.write(self._file, left) :]
        except OSError as error:
            raise self._error(error.strerror) from None

    def _error(self, reason: str | None) -> NotKept:
        return NotKept(f"cannot write {self.path}: {reason}")


def deliver(command: tuple[str, ...], report: str) -> str:
    """Give a report to the command: in place of `{report}` where its arguments have that, else on standard input.

    There is no shell. Returns what the command said. Raises NotKept if it fails or takes too long.
    """
    name = command[0]
    as_argument = any(PLACEHOLDER in word for word in command[1:])
    shortened = report.encode("utf-8", "backslashreplace")[:_MAX_ARGUMENT].decode("utf-8", "ignore")
    words = [name, *(word.replace(PLACEHOLDER, shortened) for word in command[1:])]
    given = b"" if as_argument else report.encode("utf-8", "backslashreplace")
    try:
        done = subprocess.run(
            words, input=given, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=TIMEOUT, check=False
        )
    except OSError as error:
        raise NotKept(f"the report was not delivered: {name}: {error.strerror}") from None
    except subprocess.TimeoutExpired:
        raise NotKept(f"the report was not delivered: {name} took longer than {TIMEOUT:.0f} s") from None
    said = visible(done.stdout.decode("utf-8", "replace").strip(), _MAX_SAID)
    if done.returncode != 0:
        raise NotKept(
            f"the report was not delivered: {name}: exit code {done.returncode}{f' ({said})' if said else ''}"
        )
    return said
