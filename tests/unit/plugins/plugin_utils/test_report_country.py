# Copyright (c) 2026, stockade.fleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Countries from a file: of several makers, damaged, absent; never from the network."""

from __future__ import annotations

import json
import socket
import sys
import types
from pathlib import Path
from typing import Any

import pytest
from mmdbfile import write_mmdb

from ansible_collections.stockade.fleet.plugins.plugin_utils._report_country import Countries
from ansible_collections.stockade.fleet.plugins.plugin_utils._report_merge import merge
from ansible_collections.stockade.fleet.plugins.plugin_utils._report_networks import parse

NOW = 1_795_173_209
RECORDS = {
    "203.0.113.0/24": {"country": {"iso_code": "DE", "names": {"en": "Germany"}}},
    "198.51.100.0/24": {"country_code": "BR"},
    "192.0.2.0/24": {"country": "NZ"},
    "2001:db8::/48": {"registered_country": {"iso_code": "NL"}},
    "233.252.0.0/24": {"country": {"iso_code": "XX"}},
    "10.0.0.0/8": {"country": {"iso_code": "US"}},
    "2001:db8:8::/48": {"country": {"iso_code": "<b>"}},
}


def country(countries: Countries, text: str) -> str:
    found = parse(text)
    assert found is not None
    return countries.of(found[1])


@pytest.fixture
def database(tmp_path: Path) -> Path:
    pytest.importorskip("maxminddb", reason="the library that reads databases of countries is not installed")
    path = tmp_path / "country.mmdb"
    write_mmdb(path, RECORDS)
    return path


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("203.0.113.9", "DE"),
        ("203.0.113.0/25", "DE"),
        ("198.51.100.1", "BR"),
        ("192.0.2.1", "NZ"),
        ("2001:db8::1", "NL"),
        ("2001:db8:9::1", "??"),
        ("2001:db8:8::8", "??"),
        ("10.1.2.3", "??"),
        ("233.252.0.1", "??"),
    ],
)
def test_country_of_an_address(database: Path, text: str, code: str) -> None:
    """A20: a code of two letters; ?? for what is unknown, private or no code."""
    countries = Countries(str(database))
    assert bool(countries) and countries.note == ""
    assert country(countries, text) == code
    countries.close()


def test_report_with_countries(database: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A20, AH20: no question leaves the controller."""

    def refuse(*_arguments: Any, **_more: Any) -> Any:
        raise AssertionError("asked the network")

    monkeypatch.setattr(socket, "socket", refuse)
    monkeypatch.setattr(socket, "getaddrinfo", refuse)
    rows = [
        {"network": text, "source": "operator", "banned_at": NOW, "expires_at": None}
        for text in ("203.0.113.9", "203.0.113.8", "198.51.100.1", "10.0.0.1")
    ]
    report = merge({"web1": {"schema": 1, "bans": json.dumps(rows)}}, now=NOW, country_db=str(database))
    assert report["summary"]["by_country"] == {"DE": 2, "??": 1, "BR": 1}
    assert {ban["network"]: ban["country"] for ban in report["bans"]}["198.51.100.1"] == "BR"
    assert report["notes"] == []


def test_nobody_asked() -> None:
    countries = Countries("")
    assert (bool(countries), countries.note, country(countries, "203.0.113.9")) == (False, "", "??")


def test_library_that_is_not_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    """A20: without the resolver every country is ??, and the report says so."""
    monkeypatch.setitem(sys.modules, "maxminddb", None)
    countries = Countries("/country.mmdb")
    assert not countries and "maxminddb is not installed" in countries.note
    assert country(countries, "203.0.113.9") == "??"


@pytest.mark.parametrize("content", [None, b"", b"no database", b"\xab\xcd\xefMaxMind.com" + b"\xff" * 40])
def test_file_that_is_no_database(tmp_path: Path, content: bytes | None) -> None:
    pytest.importorskip("maxminddb", reason="the library that reads databases of countries is not installed")
    path = tmp_path / "country.mmdb"
    if content is not None:
        path.write_bytes(content)
    countries = Countries(str(path))
    assert not countries and countries.note.startswith(f"countries are unknown: cannot read {path}: ")
    assert country(countries, "203.0.113.9") == "??"


def test_damage_that_shows_only_when_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    class Broken:
        def metadata(self) -> Any:
            return types.SimpleNamespace(ip_version=6)

        def get(self, _text: str) -> Any:
            raise ValueError("bad data")

    library: Any = types.ModuleType("maxminddb")
    library.InvalidDatabaseError = RuntimeError
    library.open_database = lambda _path: Broken()
    monkeypatch.setitem(sys.modules, "maxminddb", library)
    countries = Countries("/country.mmdb")
    assert country(countries, "203.0.113.9") == "??"
    assert "damaged" in countries.note


def test_database_of_ipv4_alone_is_not_called_damaged(tmp_path: Path) -> None:
    pytest.importorskip("maxminddb", reason="the library that reads databases of countries is not installed")
    path = tmp_path / "country-ipv4.mmdb"
    write_mmdb(path, {"203.0.113.0/24": {"country_code": "DE"}}, version=4)
    countries = Countries(str(path))
    assert country(countries, "203.0.113.9") == "DE" and countries.note == ""
    assert country(countries, "2001:db8::1") == "??"
    assert countries.note == "countries of IPv6 addresses are unknown: the database is of IPv4 only"
    assert country(countries, "203.0.113.9") == "DE"
    countries.close()
