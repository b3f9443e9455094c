# Copyright (c) 2026, stockade.fleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The command `stockade`: `main` finds the word, the words live in modules of their own.

Exit codes: 0 done, 1 failed, 2 refused, bad usage, input or configuration.
"""

from __future__ import annotations

import io
import os
import sys
from collections.abc import Sequence
from typing import TextIO

from stockade.client import WardenUnavailable
from stockade.protocol import INVALID, REFUSED, ProtocolError
from stockade.text import visible

DONE, FAILED, USAGE, INTERRUPTED = 0, 1, 2, 130


def main(arguments: Sequence[str]) -> int:
    """Run one command line and return its exit code."""
    if arguments and arguments[0] in ("warden", "watcher"):
        return _service(arguments[0], list(arguments[1:]))
    from stockade.cli.parser import parse  # services start without argparse

    sys.stdout, sys.stderr = sys.stdout or _nowhere(), sys.stderr or _nowhere()  # closed by whoever started this
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")  # a console of another encoding shows what it can
    options = parse(arguments)
    try:
        code = int(options.run(options))
        sys.stdout.flush()
        return code
    except ProtocolError as error:
        complain(str(error))
        return USAGE if error.code in (INVALID, REFUSED) else FAILED
    except WardenUnavailable as error:
        complain(str(error))
        if isinstance(error.__context__, PermissionError):
            complain("only root and the agent's services may ask the warden: try again with sudo")
        return FAILED
    except KeyboardInterrupt:
        return INTERRUPTED
    except OSError as error:
        # The answer did not get out: the reader of a pipe left, or a disk is full. What is buffered cannot get out
        # at the end either, and the interpreter would say so once more.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        if not isinstance(error, BrokenPipeError):
            complain(f"the answer could not be written: {error.strerror}")
        return FAILED


def _service(name: str, arguments: list[str]) -> int:
    if name == "warden":
        from stockade.warden.service import main as warden

        return warden()
    from stockade.watcher.service import main as watcher

    return watcher(arguments)


def _nowhere() -> TextIO:
    return os.fdopen(os.open(os.devnull, os.O_WRONLY), "w", encoding="utf-8")


def complain(message: str, limit: int = 1000) -> None:
    """What is wrong, on standard error, at most `limit` characters of it."""
    print(f"stockade: {visible(message, limit)}", file=sys.stderr)
