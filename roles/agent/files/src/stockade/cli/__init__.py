# Copyright (c) 2026, stockade.fleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The command `stockade`: `main` finds the word, the words live in modules of their own.

Exit codes: 0 done, 1 failed, 2 usage or configuration.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence

from stockade.client import WardenUnavailable
from stockade.config import ConfigError
from stockade.protocol import INVALID, ProtocolError
from stockade.text import visible

DONE, FAILED, USAGE = 0, 1, 2


def main(arguments: Sequence[str]) -> int:
    """Run one command line and return its exit code."""
    if arguments and arguments[0] in ("warden", "watcher"):
        return _service(arguments[0], list(arguments[1:]))
    from stockade.cli.parser import parse  # services start without argparse

    options = parse(arguments)
    try:
        return int(options.run(options))
    except ProtocolError as error:
        _complain(str(error))
        return USAGE if error.code == INVALID else FAILED
    except ConfigError as error:
        _complain(str(error))
        return USAGE
    except WardenUnavailable as error:
        _complain(str(error))
        return FAILED
    except BrokenPipeError:
        sys.stderr.close()  # the reader of a pipe left: nothing to say, and nobody to say it to
        return FAILED


def _service(name: str, arguments: list[str]) -> int:
    if name == "warden":
        from stockade.warden.service import main as warden

        return warden()
    from stockade.watcher.service import main as watcher

    return watcher(arguments)


def _complain(message: str) -> None:
    print(f"stockade: {visible(message, 1000)}", file=sys.stderr)
