# Copyright (c) 2026, stockade.fleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The file that names whom fail2ban ignores, and what other files say about it.

Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.
"""

from __future__ import annotations

import contextlib
import glob
import os
import re
from typing import Iterator, NamedTuple

from ._networks import Network, parse, plain

HEADER = "# Managed by stockade.fleet.whitelist: changes made here are lost.\n"
LOOPBACK = ("127.0.0.0/8", "::1")

_SECTION = re.compile(r"\[([^\]]+)\]")
_SETTING = re.compile(r"(?i)ignoreip\s*[=:](.*)")
_COMMENT = re.compile(r"(?:\A|\s);.*")


class Setting(NamedTuple):
    """One ``ignoreip`` of another file; ``earlier`` if fail2ban reads that file before ours, which then wins."""

    jail: str
    words: list[str]
    where: str
    earlier: bool


def others(config_dir: str, ours: str) -> list[Setting]:
    """Return every ``ignoreip`` of other files, in the order in which fail2ban reads them; the last one counts."""
    found = []
    earlier = True
    for path in _order(config_dir, ours):
        if path == ours:
            earlier = False
            continue
        # a link that leads nowhere is passed over, as by fail2ban
        with contextlib.suppress(FileNotFoundError), open(path, encoding="utf-8", errors="surrogateescape") as file:
            found += [Setting(jail, words, "%s:%d" % (path, line), earlier) for jail, words, line in _settings(file)]
    return found


def _order(config_dir: str, ours: str) -> list[str]:
    """Return the files as fail2ban reads them, ours among them whether it is there or not."""
    found = [glob.glob(os.path.join(config_dir, place)) for place in ("jail.conf", "jail.d/*.conf", "jail.local")]
    found.append([ours, *(path for path in glob.glob(os.path.join(config_dir, "jail.d/*.local")) if path != ours)])
    return [path for group in found for path in sorted(group)]


def _settings(lines: Iterator[str]) -> Iterator[tuple[str, list[str], int]]:
    """Yield jail, words and line number, as Python's configparser reads them: what is indented further goes on."""
    jail, words, open_since = "", [], 0
    indent, goes_on = 0, False  # of the last option or section, and whether it is an option
    for number, line in enumerate(lines, 1):
        text = _COMMENT.sub("", line.rstrip("\n")).strip()
        if not text or text.startswith("#"):
            continue
        further = len(line) - len(line.lstrip())
        if goes_on and further > indent:
            words += _split(text) if open_since else []
            continue
        if open_since:
            yield jail, words, open_since
        section, setting = _SECTION.match(text), _SETTING.match(text)
        indent, goes_on, open_since = further, section is None, number if setting and not section else 0
        if section:
            jail = section.group(1)
        elif setting:
            words = _split(setting.group(1))
    if open_since:
        yield jail, words, open_since


def _split(text: str) -> list[str]:
    return [word for word in re.split(r"[\s,]+", text) if word]


def render(unlimited: list[Network], foreign: list[Setting]) -> str | None:
    """Return our file, None if there is nothing for it to say.

    What other files set in ``[DEFAULT]`` would not count any more, so it is repeated.
    """
    if not unlimited:
        return None
    words = [*LOOPBACK, *(plain(network) for network in unlimited)]
    known = {parse(word) for word in words} - {None}
    for setting in [setting for setting in foreign if setting.jail == "DEFAULT" and setting.earlier][-1:]:
        words += [word for word in setting.words if parse(word) not in known]
    return HEADER + "\n[DEFAULT]\nignoreip = " + "\n           ".join(words) + "\n"


def words_of(text: str | None) -> list[str]:
    """Return whom our file names."""
    return (text or "").partition("ignoreip = ")[2].split()
