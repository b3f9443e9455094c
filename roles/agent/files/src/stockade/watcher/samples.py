# Copyright (c) 2026, stockade.fleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Samples: what a rule must ban and what it must not, run by `stockade check`.

The rules that come with the watcher have theirs here, as logs that end in a ban or in none. A rule of the site brings
lines of its own in `must_match` and `must_not_match`: each has to count for it, or must not.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

from stockade.text import visible
from stockade.watcher.clients import Clients
from stockade.watcher.config import PRESETS, Config, ConfigError, Input, Rule, read
from stockade.watcher.engine import Engine, kinds_of

_NOON = int(datetime(2026, 3, 1, 12, tzinfo=UTC).timestamp())
_CLIENT = "203.0.113.7"
_BROWSER = "Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0"


@dataclass(frozen=True, slots=True)
class Sample:
    """A short log of one `format`, and whether the rule of that name bans its client."""

    rule: str
    bans: bool
    what: str
    format: str
    lines: tuple[bytes, ...]


def check_file(path: str | Path) -> list[str]:
    """What is wrong with that configuration file; empty if a watcher would start with it and its samples come out."""
    try:
        config = read(Path(path))
    except ConfigError as error:
        return [str(error)]
    return [f"{path}: {problem}" for problem in check(config)]


def check(config: Config) -> list[str]:
    """What is wrong: samples that come out otherwise, by the rules of this configuration."""
    shipped = {rule.name: rule for rules in PRESETS.values() for rule in rules}
    used = {rule.name for rule in config.rules if shipped.get(rule.name) == rule}
    problems = [
        f"rule {sample.rule}: {sample.what}: {'bans nobody' if sample.bans else 'bans'}"
        for sample in SAMPLES
        if sample.rule in used and _bans(shipped[sample.rule], sample) != sample.bans
    ]
    for rule in config.rules:
        entries = config.inputs_of(rule)
        for lines, wanted in ((rule.must_match, True), (rule.must_not_match, False)):
            for line in lines:
                if any(_counts(rule, entry, line) for entry in entries) != wanted:
                    word = "does not count" if wanted else "counts"
                    problems.append(f"rule {rule.name}: the sample {visible(line)!r} {word}")
    return problems


def _bans(rule: Rule, sample: Sample) -> bool:
    entry = Input("sample", "/sample", format=sample.format, timezone="" if sample.format == "access" else "UTC")
    return bool(_engine(rule, entry).feed(list(sample.lines)))


def _counts(rule: Rule, entry: Input, line: str) -> bool:
    engine = _engine(replace(rule, maxretry=1, inputs=()), entry)
    return bool(engine.feed([line.encode("utf-8", "surrogateescape")]))


def _engine(rule: Rule, entry: Input) -> Engine:
    config = Config((entry,), (rule,), lookback=0, max_bans_per_minute=0, max_share=0)
    return Engine(config, clients=Clients(own=(), kinds=kinds_of(config)))


def _requests(
    requests: Iterable[str], *, status: int = 200, seconds: float = 1, referer: str = "-"
) -> tuple[bytes, ...]:
    """Lines of an access log: these request lines, so many seconds apart."""
    return tuple(
        f"{_CLIENT} - - [{datetime.fromtimestamp(_NOON + int(number * seconds), UTC):%d/%b/%Y:%H:%M:%S} +0000]"
        f' "{request}" {status} 512 "{referer}" "{_BROWSER}"'.encode()
        for number, request in enumerate(requests)
    )


def _gets(paths: Iterable[str], **more: object) -> tuple[bytes, ...]:
    return _requests((f"GET {path} HTTP/1.1" for path in paths), **more)  # type: ignore[arg-type]


def _sshd(messages: Iterable[str], *, seconds: int = 1) -> tuple[bytes, ...]:
    return tuple(
        f"{datetime.fromtimestamp(_NOON + number * seconds, UTC):%Y-%m-%dT%H:%M:%S}+00:00 host"
        f" sshd-session[{100 + number}]: {message}".encode()
        for number, message in enumerate(messages)
    )


def _failed(count: int, user: str = "bob") -> Iterator[str]:
    for number in range(count):
        yield f"Failed password for {user} from {_CLIENT} port {40_000 + number} ssh2"


_PAGE = [f"/img/{number}.webp" for number in range(60)] + ["/", "/site.css", "/site.js", "/product--red"]
_HARMLESS = [
    *("/product--red", "/reorder/standby", "/?order=1&by=2", "/blog/how-to-fix-config.php", "/union/select"),
    *("/search?q=select+from+union+street", "/a/../b", "/.well-known/acme-challenge/x", "/o'neill", "/wp-login.php"),
]

SAMPLES: tuple[Sample, ...] = (
    Sample("errors", True, "30 missing pages in 30s", "access", _gets((f"/{n}" for n in range(30)), status=404)),
    Sample("errors", False, "29 missing pages", "access", _gets((f"/{n}" for n in range(29)), status=404)),
    Sample("errors", False, "a page with 60 missing images", "access", _gets(_PAGE[:60], status=404, seconds=0.1)),
    Sample("errors", False, "a session that ended", "access", _gets(["/api/poll"] * 100, status=401, seconds=0.6)),
    Sample("requests", True, "300 requests in 30s", "access", _gets(["/"] * 300, seconds=0.1)),
    Sample("requests", False, "a page with 60 images, five times", "access", _gets(_PAGE * 5, seconds=0.1)),
    Sample("requests", False, "100 calls a minute", "access", _gets((f"/api/{n}" for n in range(600)), seconds=0.6)),
    Sample("requests-all", True, "1200 files in 40s", "access", _gets(_PAGE * 20, seconds=0.03)),
    Sample("requests-all", False, "a page with 60 images, five times", "access", _gets(_PAGE * 5, seconds=0.1)),
    Sample("probes", True, "three sensitive files", "access", _gets(["/.env", "/.git/config", "/.aws/credentials"])),
    Sample(
        "probes", True, "three of them, written otherwise", "access", _gets(["/%2eenv", "//.git/HEAD", "/%252esvn/x"])
    ),
    Sample(
        "probes", False, "one of them 50 times", "access", _gets(["/.env"] * 50, referer="https://foreign.example/")
    ),
    Sample("probes", False, "what only looks so", "access", _gets(_HARMLESS)),
    Sample("logins", True, "five wrong passwords", "sshd", _sshd(_failed(5))),
    Sample("logins", False, "four wrong passwords", "sshd", _sshd(_failed(4))),
    Sample("logins", False, "five in an hour", "sshd", _sshd(_failed(5), seconds=700)),
    Sample("decoys", True, "one sensitive file", "access", _gets(["/.env"])),
    Sample("decoys", True, "one of the wide list", "access", _gets(["/config.php?id=1"])),
    Sample("decoys", False, "what only looks so", "access", _gets(_HARMLESS)),
    Sample("names", True, "root and admin", "sshd", _sshd([*_failed(1, "root"), *_failed(1, "Admin")])),
    Sample("names", False, "root once", "sshd", _sshd(_failed(1, "root"))),
    Sample("names", False, "names that are none of them", "sshd", _sshd([*_failed(2, "roott"), *_failed(2, "bob")])),
    Sample("original", True, "30 of anything in a minute", "access", _gets(_PAGE[:30], seconds=1.9)),
    Sample("original", False, "29 of anything", "access", _gets(_PAGE[:29])),
)
