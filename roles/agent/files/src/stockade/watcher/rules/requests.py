# Copyright (c) 2026, stockade.fleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Rules `rate`: which requests count for which of them."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from urllib.parse import unquote_to_bytes

from stockade.watcher.config.rules import Rule, statuses
from stockade.watcher.events import Request
from stockade.watcher.rules.judge import RequestJudge
from stockade.watcher.rules.shapes import UNDOTTED, shapes_of
from stockade.watcher.rules.tally import Tally
from stockade.watcher.rules.windows import SIZE
from stockade.watcher.verdict import Verdict

# GET or HEAD of a path with an extension; those of files of which a browser asks for dozens while it shows one page.
_WITH_EXTENSION = re.compile(rb"(?:GET|HEAD) (?:[^ ?.]*+\.)++([A-Za-z0-9]++)(?:\?[^ ]*+)?(?: [^ ]*+)?")
_STATIC = frozenset(
    b"css js mjs map wasm png jpg jpeg gif webp avif svg ico bmp tif tiff woff woff2 ttf otf eot"
    b" mp3 ogg m4a wav mp4 m4v webm m3u8 ts vtt".split()
)
_STATIC_ENDS = frozenset(ending + b" HTTP/" + version for ending in _STATIC for version in (b"1.1", b"2.0"))
_QUOTED = rb'"((?:[^"\\]|\\.)*+)"'
_AGENT = re.compile(rb" \d\d\d \S+ " + _QUOTED + b" " + _QUOTED, re.DOTALL)


class Rates(RequestJudge):
    """The rules `rate` of one kind of key; `covered` tells which of them count an input."""

    def __init__(self, tally: Tally, *, key_index: int, covered: dict[str, int]) -> None:
        self.tally = tally
        self._key_index = key_index
        self._static = sum(1 << index for index, rule in enumerate(tally.rules) if rule.exclude_static)
        self._special = [
            (1 << index, predicate)
            for index, rule in enumerate(tally.rules)
            if (predicate := _predicate(rule)) is not None
        ]
        self._masks = {name: _by_status(tally.rules, mask) for name, mask in covered.items()}
        self._by_status = all(rule.status for rule in tally.rules)  # then most requests are none of theirs

    def feed(self, events: list[Request], shapes: list[bytes], source: str) -> list[Verdict]:
        """The verdicts that these requests complete."""
        masks = self._masks.get(source)
        if masks is None:
            return []
        verdicts: list[Verdict] = []
        tally, key_index, counting, special = self.tally, self._key_index, ~self._static, self._special
        windows, known, full, stamps_at = tally.windows, tally.stamps.of, tally.full, tally.stamps.at
        if self._by_status:
            events = [event for event in events if masks[event[3]]]
            shapes = shapes_of(events)
        for event, shape in zip(events, shapes, strict=True):
            time, client, request, status, _fields = event
            mask = masks[status]
            if shape != UNDOTTED and counting != -1 and _is_static(request, shape):
                mask &= counting
            if special:
                for bit, predicate in special:
                    if mask & bit and not predicate(event):
                        mask ^= bit
            if not mask:
                continue
            stamp = (known.get(time) or stamps_at(time))[mask]
            key = client[key_index]
            window = windows.get(key)
            if window is None:
                tally.begin(key, stamp)
                if full > SIZE:
                    continue
                window = stamp
            else:
                window += stamp
            if len(window) < full:
                windows[key] = window
            else:
                verdicts += tally.look(key, window)
        tally.counted(len(events))
        return verdicts


def _is_static(request: bytes, shape: bytes) -> bool:
    if shape in _STATIC_ENDS and request[:5] == b"GET /":
        return request.find(b"?") < 0  # `in` takes four times as long
    found = _WITH_EXTENSION.fullmatch(request)
    return found is not None and found[1].lower() in _STATIC


def _by_status(rules: Sequence[Rule], covered: int) -> dict[bytes, int]:
    """For each status, as it stands in a line, the rules that count it."""
    masks = dict.fromkeys(range(1000), 0)
    for index, rule in enumerate(rules):
        if covered >> index & 1:
            for status in statuses(rule.status):
                masks[status] |= 1 << index
    return {b" %03d " % status: mask for status, mask in masks.items()}


def _predicate(rule: Rule) -> Callable[[Request], bool] | None:
    """What a rule asks of a request beside its status and whether it is static; None for nothing."""
    methods = tuple(method.encode() for method in rule.method)
    paths = re.compile("|".join(_pattern(text) for text in rule.path).encode(), re.DOTALL) if rule.path else None
    agents = tuple(text.encode().lower() for text in rule.agent)
    if not (methods or paths or agents):
        return None

    def holds(event: Request) -> bool:
        words = event[2].split(b" ", 2)
        if methods and words[0] not in methods:
            return False
        if paths and (len(words) < 2 or not paths.fullmatch(_path(words[1]))):
            return False
        agent = agent_of(event[4]).lower() if agents else b""
        return not agents or any(part in agent for part in agents)

    return holds


def _path(target: bytes) -> bytes:
    """The path of a request's target, decoded once."""
    if not target.startswith(b"/"):  # absolute form: http://host/path
        target = b"/" + target.partition(b"://")[2].partition(b"/")[2]
    return unquote_to_bytes(target.partition(b"?")[0])


def _pattern(text: str) -> str:
    """A path as a regular expression; `*` is anything, and one that ends in none means what lies below it as well."""
    pattern = ".*".join(re.escape(part) for part in re.split(r"\*+", text))
    return pattern if text.endswith("*") or "." in text.rpartition("/")[2] else pattern.rstrip("/") + "(?:/.*)?"


def agent_of(fields: bytes) -> bytes:
    """The user agent: the second quoted field behind the request; empty if there is none."""
    found = _AGENT.match(fields)
    return found[2] if found else b""
