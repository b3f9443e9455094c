# Copyright (c) 2026, stockade.fleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How a bench runs: the options that all have, what it leaves behind, what it tells, how it ends."""

from __future__ import annotations

import argparse
import contextlib
import datetime
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from benchlib.figures import Figures
from benchlib.hosts import REPOSITORY, BenchError, Host, say


def common_options(document: str | None, *, host: str, output: Path) -> argparse.ArgumentParser:
    """A parser of the options that all benches have; the first line of `document` is the description."""
    parser = argparse.ArgumentParser(description=(document or "").splitlines()[0])
    parser.add_argument("--host", default=host, help="a host of the test fleet that has fail2ban [%(default)s]")
    place = output.relative_to(REPOSITORY)
    parser.add_argument("--output", type=Path, default=output, help=f"where the figures go [{place}]")
    return parser


@contextlib.contextmanager
def undone_on_error(undo: Callable[[], None], name: str) -> Iterator[None]:
    """After an error comes `undo` (`name` says what that is); the first error is raised even if it fails as well."""
    try:
        yield
    except BaseException:
        try:
            undo()
        except BenchError as error:
            say(f"{name} failed as well: {error}")
        raise


@contextlib.contextmanager
def afterwards(leave: Callable[[], None], name: str) -> Iterator[None]:
    """`leave` comes last, whatever happens."""
    with undone_on_error(leave, name):
        yield
    leave()


def tell(figures: Figures, output: Path, host: Host, facts: dict[str, Any], **more: Any) -> None:
    """The figures as a file and on the screen; `more` is for the file."""
    moment = datetime.datetime.now(tz=datetime.UTC).isoformat(timespec="seconds")
    figures.write(output, date=moment, host=host.name, machine=facts, **more)
    print("\n".join(figures.table()))
    print(f"in {output}; {facts['system']}, {facts['cores']} cores, kernel {facts['kernel']}")


def run_bench(parser: argparse.ArgumentParser, run: Callable[[argparse.Namespace], None]) -> int:
    """Exit codes: 0 measured, 1 not: `run` raised BenchError."""
    asked = parser.parse_args()
    asked.output = asked.output.resolve()
    try:
        run(asked)
    except BenchError as error:
        print(f"bench: {error}", file=sys.stderr)
        return 1
    return 0
