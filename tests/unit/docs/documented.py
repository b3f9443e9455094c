# Copyright (c) 2026, stockade.fleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The commands that the documentation shows, found by reading it, and where the few are run that nobody types there."""

from __future__ import annotations

import re
import shlex
import textwrap
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[3]
GUIDES = ROOT / "docs" / "docsite" / "rst"

# What test_readme_and_guides.py in molecule/default does not type, and who does it instead.
ELSEWHERE = {
    "make demo": "by hand, from a fresh clone",
    "make test": "it runs these tests",
    "make build": "tests/awx/test_environment.py builds the tarball",
    "ansible-galaxy collection install stockade.fleet": "tests/awx/test_environment.py installs the tarball",
    "ansible-playbook -i inventory.yml stockade.fleet.remove": "the step remove of molecule/default",
    "ansible-playbook docs/examples/awx/setup.yml": "tests/awx/test_setup.py",
    "ansible-builder build -f docs/examples/awx/execution-environment.yml -c build/ee"
    " -t registry.example.com/stockade-ee:0.1.0": "tests/awx/test_environment.py, as far as it needs no registry",
}

_PROMPT = re.compile(r"(?:\$|root@(?P<host>[a-z0-9-]+)#) (?P<typed>.+)")
_COMMENT = re.compile(r"\s{2,}# .*$")
_CONTINUED = re.compile(r"\s*\\\n\s*")
_EXITS = re.compile(r"# exits with (\d)")
_FENCE = re.compile(r"^(?P<indent> *)```(?P<language>[\w-]+)\n(?P<text>.*?)^(?P=indent)```$", re.MULTILINE | re.DOTALL)
_DIRECTIVE = re.compile(
    r"^(?P<indent> *)\.\. code-block:: (?P<language>[\w-]+)\n(?P<text>(?:[ \t]*\n|(?P=indent)  +\S.*\n)+)", re.MULTILINE
)


@dataclass(frozen=True)
class Block:
    """One block of code."""

    document: str
    line: int
    language: str
    text: str

    def __str__(self) -> str:
        return f"{self.document}:{self.line}"


@dataclass(frozen=True)
class Command:
    """One command, where it is typed (`host` is empty on the controller), and the answer that is shown below it."""

    block: Block
    host: str
    typed: str
    shown: tuple[str, ...]

    @property
    def text(self) -> str:
        """On one line, without the words to the reader."""
        return _CONTINUED.sub(" ", _COMMENT.sub("", self.typed))

    @property
    def exits_with(self) -> int:
        found = _EXITS.search(self.typed)
        return int(found[1]) if found else 0

    def missing(self, output: str) -> list[str]:
        """Lines of the shown answer that the real one has not, in this order. `…` stands for anything."""
        lines = iter([line.strip() for line in output.splitlines()])
        patterns = [".*".join(map(re.escape, line.split("…"))) for line in self.shown]
        return [
            line
            for line, pattern in zip(self.shown, patterns, strict=True)
            if not any(re.match(pattern, answer) for answer in lines)
        ]


def documents() -> list[Path]:
    """What a user reads. The guide for those in need is the first one, since others go on from what it ends with."""
    readmes = [ROOT / "README.md", ROOT / "docs" / "audit.md", ROOT / "docs" / "examples" / "awx" / "README.md"]
    guides = sorted(GUIDES.glob("*.rst"), key=lambda path: (path.stem != "guide_rescue", path.stem))
    return [*readmes, *sorted(ROOT.glob("roles/*/README.md")), *guides]


def name(document: Path) -> str:
    return str(document.relative_to(ROOT))


def blocks(document: Path) -> list[Block]:
    """The blocks of code of one document."""
    text = document.read_text(encoding="utf-8")
    pattern = _DIRECTIVE if document.suffix == ".rst" else _FENCE
    return [
        Block(name(document), text.count("\n", 0, found.start()) + 1, found["language"], textwrap.dedent(found["text"]))
        for found in pattern.finditer(text)
    ]


def commands(document: Path) -> list[Command]:
    """The commands of one document, in their order."""
    return [command for block in blocks(document) if block.language == "console" for command in _typed(block)]


def prompts(document: Path) -> int:
    """How many lines look like a command, whatever block they are in."""
    lines = document.read_text(encoding="utf-8").splitlines()
    return sum(1 for line in lines if _PROMPT.fullmatch(line.strip()))


def _goes_on(typed: str) -> bool:
    """Whether a shell would want another line."""
    try:
        shlex.split(typed, comments=True)
    except ValueError:  # a quotation that is not closed
        return True
    return typed.endswith("\\")


def _typed(block: Block) -> Iterator[Command]:
    host, typed, shown = "", "", []
    for line in block.text.splitlines():
        found = _PROMPT.fullmatch(line)
        if found:
            if typed:
                yield Command(block, host, typed, tuple(shown))
            host, typed, shown = found["host"] or "", found["typed"], []
        elif typed and _goes_on(typed):
            typed += f"\n{line}"
        elif line.strip():
            shown.append(line.strip())
    if typed:
        yield Command(block, host, typed, tuple(shown))
