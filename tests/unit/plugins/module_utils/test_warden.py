# Copyright (c) 2026, stockade.fleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The modules' client of the warden, against a socket that answers as scripted (a fake warden)."""

from __future__ import annotations

import json
import os
import socket
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.stockade.fleet.plugins.module_utils._errors import StockadeError
from ansible_collections.stockade.fleet.plugins.module_utils._warden import (
    WardenAbsent,
    WardenClient,
    WardenRefused,
    as_entries,
    split_addresses,
)


class Warden:
    """Answers one request with prepared bytes and keeps what it was asked."""

    def __init__(self, path: Path) -> None:
        self.path = str(path)
        self.answer = b""
        self.asked: dict[str, Any] = {}
        self._listener = socket.socket(socket.AF_UNIX)
        self._listener.bind(self.path)
        self._listener.listen()
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()

    def _serve(self) -> None:
        connection, _address = self._listener.accept()
        with connection, connection.makefile("rb") as lines:
            self.asked = json.loads(lines.readline())
            half = len(self.answer) // 2
            connection.sendall(self.answer[:half])
            connection.sendall(self.answer[half:])

    def close(self) -> None:
        self._listener.close()


@pytest.fixture
def warden(tmp_path: Path) -> Iterator[Warden]:
    fake = Warden(tmp_path / "w.sock")
    yield fake
    fake.close()


def test_a_call_speaks_the_protocol(warden: Warden) -> None:
    warden.answer = b'{"v":1,"ok":true,"result":{"changed":true}}\n'
    assert WardenClient(warden.path).call("ban", bans=[{"network": "203.0.113.9"}]) == {"changed": True}
    assert warden.asked == {"v": 1, "op": "ban", "bans": [{"network": "203.0.113.9"}]}


def test_a_refusal_keeps_its_code_and_words(warden: Warden) -> None:
    warden.answer = b'{"v":1,"ok":false,"error":{"code":"refused","message":"cannot ban 127.0.0.1"}}\n'
    with pytest.raises(WardenRefused, match="cannot ban 127.0.0.1") as caught:
        WardenClient(warden.path).call("ban")
    assert caught.value.code == "refused"


@pytest.mark.parametrize("answer", [b"", b"no json\n", b'{"v":1,'], ids=["nothing", "garbage", "half"])
def test_a_warden_that_dies_in_the_middle_is_an_error_with_a_next_step(warden: Warden, answer: bytes) -> None:
    warden.answer = answer
    with pytest.raises(StockadeError, match="systemctl status stockade-warden"):
        WardenClient(warden.path).call("status")


def test_no_socket_is_no_warden(tmp_path: Path) -> None:
    with pytest.raises(WardenAbsent, match="apply the role stockade.fleet.agent first"):
        WardenClient(os.path.join(str(tmp_path), "none.sock")).call("status")


def test_addresses_stand_apart_by_commas_blanks_and_lines() -> None:
    texts = ["203.0.113.9, 203.0.113.10", "2001:db8::1\n203.0.113.9", ""]
    assert split_addresses(texts) == ["203.0.113.9", "203.0.113.10", "2001:db8::1"]
    assert split_addresses([]) == []


@pytest.mark.parametrize("texts", [[""], [" , "], ["", "\n"]])
def test_a_text_that_names_no_address_is_an_error_and_not_a_ban_of_nobody(texts: list[str]) -> None:
    """`-a "address=$IP"` where the shell has no IP."""
    with pytest.raises(StockadeError, match="address: names no address"):
        split_addresses(texts)


def test_entries_are_texts_or_mappings() -> None:
    assert as_entries(["203.0.113.9", {"network": "198.51.100.0/24", "reason": None}], "entries") == [
        {"network": "203.0.113.9"},
        {"network": "198.51.100.0/24"},
    ]
    for bad in (7, {"address": "203.0.113.9"}, ["203.0.113.9"], {"network": 7}):
        with pytest.raises(StockadeError, match="neither an address nor a mapping"):
            as_entries([bad], "entries")
