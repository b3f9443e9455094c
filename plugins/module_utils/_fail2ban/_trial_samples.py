# Copyright (c) 2026, stockade.fleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What filters make of sample lines. A program: `_judge` runs its text under fail2ban's own interpreter.

Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.

Each line goes through fail2ban's own filter, without a look at DNS. Then each line that must match is tampered with, as
somebody would who chooses a part of it (a user name, a path): where a word can be put in and the line still matches,
whole pieces of the line with another address are put in. An expression that then takes the other address lets a client
have anybody banned, and itself not: it is *open at the address*.

Takes one argument, the path of a file with JSON: ``base`` (configuration directory), ``filters`` (name ->
``must_match``, ``must_not_match``, ``logtype``, ``allow_open``, ``options``, and ``expressions``: whether each must be
hit). Prints one line of JSON: ``errors``.
"""

from __future__ import annotations

import datetime
import ipaddress
import json
import logging
import os
import re
import signal
import sys
from typing import Any, Iterator, NamedTuple

#: Seconds for all filters: an expression that backtracks for ever must not hold up the play.
SECONDS = 60
#: Tampered lines per sample, at most.
VARIANTS = 1500
#: Whom the attacker would like to see banned (RFC 5737, RFC 3849), one that is in no sample.
_VICTIMS = {4: ("192.0.2.201", "192.0.2.202"), 6: ("2001:db8::fade", "2001:db8::cafe")}
#: A word that no expression names and that no number or address is.
_WORD = "zqxjk"


class Found(NamedTuple):
    """A failure as a filter saw it."""

    expression: int
    address: str
    moment: float | None


class Filter:
    """One filter of the wanted configuration."""

    def __init__(self, base: str, name: str, *, logtype: str, options: dict[str, str]) -> None:
        from fail2ban.client.filterreader import FilterReader

        reader = FilterReader(name, "stockade-trial", dict(options), share_config={}, basedir=base)
        if not reader.read():
            raise ValueError("cannot be read")
        reader.applyAutoOptions("systemd" if logtype == "journal" else "auto")
        reader.getOptions({})
        self._journal = logtype == "journal"
        self._commands = [
            (command[2], value)
            for command in reader.convert()
            for value in (command[3] if command[0] == "multi-set" else command[3:4])
        ]
        self.expressions = [value for setting, value in self._commands if setting == "addfailregex"]
        self._fresh(every=False)  # raises for what does not compile

    def _fresh(self, *, every: bool) -> Any:
        """Return a filter that has seen nothing; with ``every`` it goes on after the first expression that matches."""
        from fail2ban.server.filter import Filter as Server

        server = Server(None, useDns="no")
        server.checkFindTime = False
        server.returnRawHost = True  # a host name comes out as it stands there
        server.checkAllRegex = every
        for setting, value in self._commands:
            if setting == "maxlines":
                server.setMaxLines(int(value))
            elif setting == "prefregex":
                server.prefRegex = value
            elif setting == "datepattern":
                server.setDatePattern(value)
            elif setting == "addfailregex":
                server.addFailRegex(value)
            elif setting == "addignoreregex":
                server.addIgnoreRegex(value)
        return server

    def failures(self, text: str, *, every: bool = False) -> list[Found]:
        """Return the failures in a line, or in several."""
        server, found = self._fresh(every=every), []
        for line in text.split("\n"):
            # of the journal a filter gets the time beside the line
            rows = server.processLine(("", "", line), 1.0) if self._journal else server.processLine(line)
            found += [Found(row[0], _plain(str(row[1])), row[2]) for row in rows if row[1] is not None]
        return found


def _plain(text: str) -> str:
    try:
        address = ipaddress.ip_address(text)
    except ValueError:
        return text
    return str(getattr(address, "ipv4_mapped", None) or address)


def check(base: str, name: str, samples: dict[str, Any]) -> Iterator[str]:
    """Yield what is wrong with a filter."""
    try:
        tried = Filter(base, name, logtype=samples["logtype"], options=samples["options"])
    except Exception as e:
        yield str(e)
        return
    hit: set[int] = set()
    sound = []
    for sample in samples["must_match"]:
        complaint = _unmatched(tried, sample)
        if complaint:
            yield complaint
            continue
        hit |= {found.expression for found in tried.failures(sample["line"], every=True)}
        sound.append(sample)
    for line in samples["must_not_match"]:
        for found in tried.failures(line)[:1]:
            yield "expression %d matches %r, which it must not" % (found.expression + 1, _short(line))
    if samples["must_match"] and samples["expressions"]:
        for index, expression in enumerate(tried.expressions):
            if index not in hit:
                yield "no sample is matched by expression %d, %r" % (index + 1, _short(expression))
    if not samples["allow_open"]:
        for sample in sound:
            yield from _open(tried, sample)


def _unmatched(tried: Filter, sample: dict[str, Any]) -> str | None:
    """Return what a line that must match does instead."""
    line, wanted = sample["line"], _plain(sample["address"])
    found = tried.failures(line)
    if not found:
        return "nothing matches %r" % _short(line)
    others = sorted({one.address for one in found if one.address != wanted})
    if others:
        return "from %r it takes %s instead of %s" % (_short(line), ", ".join(others), wanted)
    moment = sample.get("time")
    if moment is None:
        return None
    seen = found[-1].moment
    if seen is None or int(seen) != int(datetime.datetime.fromisoformat(moment).timestamp()):
        shown = "no time" if seen is None else datetime.datetime.fromtimestamp(seen).astimezone().isoformat()
        return "from %r it takes %s instead of %s" % (_short(line), shown, moment)
    return None


def _open(tried: Filter, sample: dict[str, Any]) -> Iterator[str]:
    """Yield the first way in which text beside the address can stand in for it."""
    line, address = sample["line"], _plain(sample["address"])
    at = _position(line, sample["address"], address)
    if at is None:
        return  # written in another way than the sample says: nothing to tamper with
    start, end = at
    before, after = line[:start], line[end:]
    glued = before + line[start:end] + ".zqxjk.invalid" + after
    for found in tried.failures(glued):
        if found.address == address:
            yield _opening(tried, found, glued, "a longer host name that begins with an address is taken for it")
            return
    victims = _VICTIMS[ipaddress.ip_address(address).version]
    victim = victims[0] if victims[0] not in line else victims[1]
    for forged in _forgeries(tried, before, line[start:end], after, address=address, victim=victim):
        for found in tried.failures(forged):
            if found.address == victim:
                yield _opening(tried, found, forged, "text beside the address is taken for it")
                return


def _opening(tried: Filter, found: Found, line: str, how: str) -> str:
    return (
        "expression %d, %r, is open at the address: %s, as %s in %r; anchor it at both ends and let nothing but the "
        "address stand there, or set allow_open if no client chooses any part of these lines"
        % (found.expression + 1, _short(tried.expressions[found.expression]), how, found.address, _short(line, 400))
    )


def _forgeries(tried: Filter, before: str, written: str, after: str, *, address: str, victim: str) -> Iterator[str]:
    """Yield lines in which whole pieces with another address stand where any word could stand."""
    pieces = _pieces(before, after, victim)
    count = 0
    for left, right in _splits(before):
        if _free(tried, left + _WORD + right + written + after, address):
            for piece in pieces:
                yield left + piece + right + written + after
                count += 1
    for left, right in _splits(after):
        if left and _free(tried, before + written + left + _WORD + right, address):
            for piece in pieces:
                yield before + written + left + piece + right
                count += 1
                if count > VARIANTS:
                    return


def _pieces(before: str, after: str, victim: str) -> list[str]:
    """Return what an attacker would write: the words that lead up to an address, the victim's, the words behind it."""
    heads = [right for _left, right in _splits(before)][-8:]
    tails = [left for left, _right in _splits(after)][:8] + [after]
    return [head + victim + tail + gap for head in dict.fromkeys([*heads, before]) for tail in dict.fromkeys(tails)
            for gap in ("", " ")]  # fmt: skip


def _splits(text: str) -> list[tuple[str, str]]:
    """Return the text cut at each place where a word begins or ends."""
    places = sorted({0, len(text)} | {edge for word in re.finditer(r"\w+", text) for edge in word.span()})
    return [(text[:place], text[place:]) for place in places]


def _free(tried: Filter, line: str, address: str) -> bool:
    found = tried.failures(line)
    return bool(found) and found[0].address == address


def _position(line: str, *written: str) -> tuple[int, int] | None:
    for text in written:
        found = re.search(r"(?<![\w.:])%s(?![\w:]|\.\w)" % re.escape(text), line)
        if found:
            return found.span()
    return None


def _short(text: str, most: int = 160) -> str:
    return text if len(text) <= most else text[: most - 3] + "..."


def _late(_signal: int, _frame: Any) -> None:
    raise TimeoutError("the samples take longer than %d s: an expression backtracks" % SECONDS)


def main() -> None:
    """Check every filter, and print what is wrong."""
    logging.getLogger("fail2ban").handlers[:] = [logging.NullHandler()]
    logging.getLogger("fail2ban").propagate = False
    with open(sys.argv[1], encoding="utf-8", errors="surrogateescape") as f:
        job = json.load(f)
    signal.signal(signal.SIGALRM, _late)
    signal.alarm(SECONDS)
    errors = []
    for name, samples in job["filters"].items():
        try:
            errors += ["filter %s: %s" % (name, complaint) for complaint in check(job["base"], name, samples)]
        except TimeoutError as e:
            errors.append("filter %s: %s" % (name, e))
            break
    sys.stdout.write(json.dumps({"errors": errors}) + "\n")
    sys.stdout.flush()
    os._exit(0)


if __name__ == "__main__":
    main()
