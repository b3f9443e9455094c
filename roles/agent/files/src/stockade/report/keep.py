# Copyright (c) 2026, stockade.fleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a timer's run leaves: a log that only grows, and the report given to a command of the site."""

from __future__ import annotations

import os
import select
import stat
import subprocess
import tempfile
import time
from pathlib import Path

from stockade.report.config import PLACEHOLDER
from stockade.text import visible

TIMEOUT = 60.0  # seconds for the command
MODE = 0o640
LONGEST = 7 * 86_400  # seconds that a report makes up for at most
_MAX_ARGUMENT = 100_000  # bytes; Linux takes 128 KiB as one argument (MAX_ARG_STRLEN)
_MAX_SAID = 2000  # characters of what the command said
_LOOK = 0.1  # seconds between two looks whether the command has ended


class NotKept(Exception):
    """The log cannot be written, or the command failed; the text says which, and why."""


class RunLog:
    """The log of one kind of report, for the runs of the timer. Nothing that is there is ever written over.

    Raises NotKept where it cannot be written: there is no other place to write to.
    """

    def __init__(self, directory: Path, kind: str) -> None:
        self.path = directory / f"{kind}.log"
        self._mark = directory / f"{kind}.until"
        try:
            owner = os.stat(directory).st_uid
            if os.geteuid() != owner:
                raise NotKept(
                    f"{directory} is another user's: the timer could not go on with a log of yours"
                    f" (`systemctl start stockade-report@{kind}` makes the report as the timer does)"
                )
            flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
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

    def since(self, now: int, span: int) -> int:
        """Where a report begins (epoch seconds): the span before now, or earlier, where the last whole one ended."""
        try:
            last = int(self._mark.read_text(encoding="ascii"))
        except (OSError, ValueError):
            last = now
        return max(min(last, now - span), now - max(LONGEST, span))

    def whole_until(self, moment: int) -> None:
        """Note that nothing is missing before that moment."""
        fresh = self._mark.with_suffix(".new")
        try:
            fresh.unlink(missing_ok=True)
            with open(fresh, "x", encoding="ascii") as file:
                file.write(f"{moment}\n")
            os.replace(fresh, self._mark)
        except OSError as error:
            raise NotKept(f"cannot write {self._mark}: {error.strerror}") from None

    def _write(self, text: str) -> None:
        left = text.encode("utf-8", "backslashreplace")
        try:
            while left:
                left = left[os.write(self._file, left) :]
        except OSError as error:
            raise self._error(error.strerror) from None

    def _error(self, reason: str | None) -> NotKept:
        return NotKept(f"cannot write {self.path}: {reason}")


def deliver(command: tuple[str, ...], report: str, log: Path) -> str:
    """Give a report to the command: in place of `{report}` where its arguments have that, else on standard input.

    There is no shell. As an argument it has at most 100,000 bytes, whole lines, and says that `log` has the others.
    Returns what the command said. Raises NotKept if it fails or takes too long.
    """
    name = command[0]
    as_argument = any(PLACEHOLDER in word for word in command[1:])
    words = [name, *(word.replace(PLACEHOLDER, _shortened(report, log)) for word in command[1:])]
    try:
        code, said = _run(words, "" if as_argument else report)
    except TimeoutError:
        raise NotKept(f"the report was not delivered: {name} took longer than {TIMEOUT:.0f} s") from None
    except OSError as error:
        raise NotKept(f"the report was not delivered: {name}: {error.strerror}") from None
    if code != 0:
        raise NotKept(f"the report was not delivered: {name}: exit code {code}{f' ({said})' if said else ''}")
    return said


def _shortened(report: str, log: Path) -> str:
    if len(report.encode("utf-8", "backslashreplace")) <= _MAX_ARGUMENT:
        return report
    kept, size = [], 0
    lines = report.splitlines()
    for line in lines:
        size += len(line.encode("utf-8", "backslashreplace")) + 1
        if size > _MAX_ARGUMENT:
            break
        kept.append(line)
    return "\n".join([*kept, f"… {len(lines) - len(kept)} more lines, see {log}"]) + "\n"


def _run(words: list[str], given: str) -> tuple[int, str]:
    """Exit code and the beginning of what it said. What it left running does not count, nor is it waited for."""
    end = time.monotonic() + TIMEOUT
    kept = b""
    with tempfile.TemporaryFile() as source:
        source.write(given.encode("utf-8", "backslashreplace"))
        source.seek(0)
        process = subprocess.Popen(words, stdin=source, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    assert process.stdout is not None
    said = process.stdout.fileno()
    os.set_blocking(said, False)
    ended = False
    while True:
        if select.select([said], [], [], 0 if ended else _LOOK)[0]:
            data = os.read(said, 1 << 16)
            kept = (kept + data)[: 4 * _MAX_SAID]
            if data:
                continue
            ended = True
        if process.poll() is not None:
            if ended:
                break
            ended = True  # once more, for what came meanwhile
        elif time.monotonic() > end:
            process.kill()
            process.wait()
            process.stdout.close()
            raise TimeoutError
        elif ended:
            time.sleep(_LOOK)  # it closed its output and goes on
    process.stdout.close()
    return process.returncode, visible(kept.decode("utf-8", "replace").strip(), _MAX_SAID)
