# Copyright (c) 2026, stockade.fleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Lines of access logs, and engines that read them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest

from stockade.watcher.clients import Clients
from stockade.watcher.config import parse
from stockade.watcher.engine import Engine

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
    *rules: dict[str, Any], max_tracked: int = 100_000, own: tuple[str, ...] = ("192.0.2.11",), **top: Any
) -> Engine:
    """An engine with one input; without rules, those of the preset."""
    table: dict[str, Any] = {"input": [{"name": "web", "path": "/var/log/web.log"}], **top}
    if rules:
        table["rule"] = [{"name": f"r{number}", "type": "rate", **rule} for number, rule in enumerate(rules)]
    config = parse(table)
    clients = Clients(own=own, kinds=sorted({rule.key for rule in config.rules}))
    return Engine(config, clients=clients, max_tracked=max_tracked)


@pytest.fixture
def engine() -> Any:
    return make_engine
