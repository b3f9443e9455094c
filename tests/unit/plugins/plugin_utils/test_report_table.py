# Copyright (c) 2026, stockade.fleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The report as lines of a terminal and as CSV."""

from __future__ import annotations

import csv
import io
import json
from typing import Any

from ansible_collections.stockade.fleet.plugins.plugin_utils._report_merge import merge
from ansible_collections.stockade.fleet.plugins.plugin_utils._report_table import ban_lines, bans_csv, host_lines

NOW = 1_795_173_209


def report(*rows: dict[str, Any], hosts: int = 1) -> dict[str, Any]:
    facts = {
        "schema": 1,
        "bans": json.dumps(rows),
        "truncated": True,
        "summary": {"bans": 7},
        "warden": {"available": True, "status": {"state": "enforcing"}},
        "jails": [{"name": "sshd"}],
        "services": [
            {"name": "stockade-warden.service", "active": "active"},
            {"name": "stockade-warden.socket", "active": "active"},
            {"name": "ssh.service", "active": "active"},
            {"name": "nftables.service", "active": "inactive"},
        ],
    }
    return merge({f"web{number}": facts for number in range(1, hosts + 1)}, now=NOW)


def ban(number: int, reason: str = "") -> dict[str, Any]:
    return {
        "network": f"203.0.113.{number}",
        "source": "operator",
        "reason": reason,
        "banned_at": NOW - number,
        "expires_at": None,
    }


def test_columns_of_the_bans() -> None:
    assert ban_lines(report(ban(1, "too many requests")), rows=10) == [
        "ADDRESS      HOSTS  SOURCE    REASON             SINCE                 UNTIL",
        "-----------  -----  --------  -----------------  --------------------  ---------",
        "203.0.113.1  web1   operator  too many requests  2026-11-20T11:13:28Z  permanent",
    ]


def test_rows_are_bounded_and_the_others_counted() -> None:
    lines = ban_lines(report(*[ban(number) for number in range(1, 7)]), rows=4)
    assert len(lines) == 2 + 4 + 1
    assert lines[-1] == "… and 2 more"


def test_many_hosts_are_counted() -> None:
    line = ban_lines(report(ban(1), hosts=40), rows=1)[2]
    assert "web1, web10, web11, web12 +36" in line


def test_no_bans() -> None:
    assert ban_lines(report(hosts=2), rows=1) == ["no bans in force on 2 hosts"]


def test_hostile_reason_stays_on_its_line() -> None:
    lines = ban_lines(report(ban(1, "a\nb\x1b[2J" + "x" * 300)), rows=10)
    assert len(lines) == 3
    assert "a\\nb\\x1b[2J" in lines[2]
    assert max(len(line) for line in lines) < 190


def test_hosts_with_what_runs_there() -> None:
    found = report(ban(1))
    found["hosts"].append({**found["hosts"][0], "name": "lost", "state": "unreachable", "message": "no route"})
    lines = host_lines(found)
    assert lines[2].split() == ["web1", "enforcing", "7", "(cut)", "sshd", "ssh,", "warden"]
    assert lines[3].startswith("lost  unreachable  ?")
    assert lines[3].endswith("no route")


def test_what_is_broken_stands_before_what_is_not_there() -> None:
    """A column is short, and the other way round the message would fill it."""
    found = report(ban(1))
    found["hosts"][0].update(message="no warden on this host " * 9, problems=["fail2ban.service has failed"])
    assert "  fail2ban.service has failed; no warden on this host" in host_lines(found)[2]


def test_no_hosts() -> None:
    assert host_lines(merge({}, now=NOW)) == ["no hosts"]


def test_csv_has_all_rows() -> None:
    read = list(csv.DictReader(io.StringIO(bans_csv(report(*[ban(number, "=1+1") for number in range(1, 200)])))))
    assert len(read) == 199
    assert read[0] == {
        "address": "203.0.113.1",
        "country": "??",
        "hosts": "web1",
        "source": "operator",
        "reason": "'=1+1",
        "since": "2026-11-20T11:13:28Z",
        "until": "permanent",
        "times": "1",
        "new": "",
        "covered_by": "",
        "packets": "",
    }


def test_what_there_is_to_say_of_all() -> None:
    rows = [ban(number) for number in range(1, 10)]
    before = merge({}, now=NOW - 3600)
    facts = {"schema": 1, "bans": json.dumps(rows).replace("null", str(NOW + 60)), "summary": {"bans": 9}}
    lines = ban_lines(merge({"web1": facts}, now=NOW, previous=before, country_db="/nowhere.mmdb"), rows=9)
    assert lines[-4:-1] == [
        "",
        "since 2026-11-20T10:13:29Z: 9 new, 0 gone",
        "proposed for permanent bans: 203.0.113.0/24",
    ]
    assert lines[-1].startswith("countries are unknown: ")


def test_countries_have_a_column_where_there_are_some() -> None:
    found = report(ban(1))
    assert "CC" not in ban_lines(found, rows=1)[0].split()
    found["summary"]["by_country"] = {"DE": 1}
    found["bans"][0]["country"] = "DE"
    assert ban_lines(found, rows=1)[2].split()[:2] == ["203.0.113.1", "DE"]


def test_nothing_to_report_is_one_line() -> None:
    """A23: no bans, no table and no header."""
    assert ban_lines(merge({}, now=NOW), rows=10) == ["no bans in force on 0 hosts"]


def test_escapes_in_text_forge_no_rows() -> None:
    r"""AH23: `\n` and `\c` in a text are the two characters they are, real control characters are shown."""
    texts = (r"x\n203.0.113.99 (DE) [sshd]", r"x\c", "x\n203.0.113.99")
    found = report(*[ban(number, text) for number, text in enumerate(texts, 1)])
    lines = ban_lines(found, rows=10)
    assert [line.split()[0] for line in lines[2:]] == ["203.0.113.1", "203.0.113.2", "203.0.113.3"]
    assert [row["reason"] for row in csv.DictReader(io.StringIO(bans_csv(found)))] == [
        r"x\n203.0.113.99 (DE) [sshd]",
        r"x\c",
        r"x\n203.0.113.99",
    ]
