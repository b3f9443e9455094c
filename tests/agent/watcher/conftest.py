# Copyright (c) 2026, stockade.fleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Lines of access logs, and engines that read them."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest

from stockade.client import Client
from stockade.watcher.clients import Clients
from stockade.watcher.config import parse, read
from stockade.watcher.engine import Engine, kinds_of
from stockade.watcher.service import Service

sys.path.insert(0, str(Path(__file__).parent))

from acceptancelab import RealWarden, Watch
from watcherlab import FakeWarden

pytest.register_assert_rewrite("corpus")  # what fails there tells as much as in a test

# Two rules, so that one client is counted by both.
RULES = """
[[rule]]
name = "requests"
type = "rate"
maxretry = 30
[[rule]]
name = "requests-all"
type = "rate"
maxretry = 300
exclude_static = false
"""
NOON = int(datetime(2026, 10, 10, 12, 0, 0, tzinfo=UTC).timestamp())


class Log:
    """Writes lines as servers do."""

    noon = NOON

    @staticmethod
    def stamp(when: int, offset: int = 0) -> str:
        """`[10/Oct/2026:12:00:00 +0000]` at a UTC offset in minutes."""
        moment = datetime.fromtimestamp(when, timezone(timedelta(minutes=offset)))
        return moment.strftime("[%d/%b/%Y:%H:%M:%S %z]")

    @classmethod
    def line(
        cls,
        when: int,
        address: str = "203.0.113.1",
        *,
        user: str = "-",
        request: str = "GET /page HTTP/1.1",
        status: int = 200,
        offset: int = 0,
        vhost: str = "",
        rest: str = ' "-" "Mozilla/5.0"',
    ) -> bytes:
        """One line; `rest` is what stands behind the size."""
        host = f"{vhost} " if vhost else ""
        text = f'{host}{address} - {user} {cls.stamp(when, offset)} "{request}" {status} 123{rest}'
        return text.encode("latin-1")

    @classmethod
    def lines(cls, count: int, when: int, address: str = "203.0.113.1", **fields: Any) -> list[bytes]:
        """The same line several times."""
        return [cls.line(when, address, **fields)] * count


@pytest.fixture
def log() -> type[Log]:
    return Log


def make_engine(
    *rules: dict[str, Any],
    max_tracked: int = 100_000,
    own: tuple[str, ...] = ("192.0.2.11",),
    vhost: bool = False,
    trusted: tuple[str, ...] = (),
    forwarded: int = 4,
    **top: Any,
) -> Engine:
    """An engine with one input; without rules, those of the preset."""
    entry: dict[str, Any] = {"name": "web", "path": "/var/log/web.log", "vhost": vhost, "forwarded": forwarded}
    table: dict[str, Any] = {"input": [{**entry, "trusted_proxies": list(trusted)} if trusted else entry], **top}
    if rules:
        table["rule"] = [{"name": f"r{number}", "type": "rate", **rule} for number, rule in enumerate(rules)]
    config = parse(table)
    clients = Clients(own=own, kinds=kinds_of(config))
    return Engine(config, clients=clients, max_tracked=max_tracked)


@pytest.fixture
def engine() -> Any:
    return make_engine


@pytest.fixture
def warden(tmp_path: Path) -> Iterator[FakeWarden]:
    fake = FakeWarden(tmp_path / "warden.sock").start()
    yield fake
    fake.stop()


@pytest.fixture
def access(tmp_path: Path) -> Path:
    path = tmp_path / "access.log"
    path.write_bytes(b"")
    return path


@pytest.fixture
def config(tmp_path: Path, access: Path) -> Path:
    path = tmp_path / "watcher.toml"
    path.write_text(f'max_bans_per_minute = 0\n[[input]]\nname = "web"\npath = "{access}"\n{RULES}', encoding="ascii")
    return path


@pytest.fixture
def start(tmp_path: Path, config: Path) -> Callable[..., Service]:
    def make(clock: Callable[[], float] = time.time) -> Service:
        return Service(
            read(config),
            warden=Client(str(tmp_path / "warden.sock"), timeout=2.0),
            config_path=config,
            state_dir=tmp_path,
            runtime_dir=tmp_path,
            clock=clock,
        )

    return make


@pytest.fixture
def real() -> RealWarden:
    return RealWarden()


@pytest.fixture
def watch(tmp_path: Path, warden: FakeWarden) -> Callable[..., Watch]:
    def make(text: str, asked: Any = None) -> Watch:
        return Watch(tmp_path, text, asked or Client(str(warden.path), timeout=2.0))

    return make


@pytest.fixture
def told(capfd: pytest.CaptureFixture[str]) -> Callable[[], list[str]]:
    """The lines about bans that the journal got since the last call."""
    return lambda: [line for line in capfd.readouterr().err.splitlines() if line.startswith("ban ")]


@pytest.fixture
def events_db(tmp_path: Path) -> Path:
    return tmp_path / "events.db"
