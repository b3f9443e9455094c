# Copyright (c) 2026, stockade.fleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What clients may try on a format, and what a format must do with it."""

from __future__ import annotations

from collections.abc import Sequence

from hypothesis import strategies as st

from stockade.watcher.events import Format, JournalFormat

# Of a key in JSON.
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner) | inner,
    max_leaves=4,
)


def names_of(words: Sequence[str]) -> st.SearchStrategy[bytes]:
    """Names of users: of `words` that mean something in such a log, or of anything."""
    return st.one_of(
        st.lists(st.sampled_from(words), max_size=8).map(lambda chosen: " ".join(chosen).encode()),
        st.binary(max_size=60).map(lambda text: text.replace(b"\n", b" ")),
    )


def refused(parser: Format, line: bytes) -> bool:
    """Whether this line, and nothing else, is counted as unparsed and has no event."""
    before = parser.unparsed
    return parser.parse([line]) == [] and parser.unparsed == before + 1


def takes_anything(parser: JournalFormat, lines: list[bytes]) -> bool:
    """Whether a new parser counts each of them, as lines and as journal entries; nothing may be raised."""
    parser.parse(lines)
    parser.parse_entries([(0, line) for line in lines])
    for line in lines:
        parser.time_of(line)
    return parser.parsed + parser.unparsed == 2 * len(lines)
