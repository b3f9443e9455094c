# Copyright (c) 2026, stockade.fleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Rows of the acceptance list that the whole watcher proves: what the journal is told, what the database keeps."""

from __future__ import annotations

import os
import sqlite3
import stat

from acceptancelab import FLOOD, LOGINS, NEVER, failed, said, ssh, web, whitelisted
from wardenlab import NOW

from stockade.addresses import parse_network
from stockade.watcher.eventquery import Question, events


def test_b28_every_ban_is_one_journal_line_of_fields(watch, real, access, log, told) -> None:
    """Deliberately bans alone: what was merely seen is in the events database, as a journal would drown in it."""
    whitelisted(real, "203.0.113.3")
    addresses = ["203.0.113.1", "203.0.113.2", "203.0.113.3", "2001:db8::1"]
    watching = watch(FLOOD + web(access), real)
    watching.sees(access, [line for address in addresses for line in log.lines(30, NOW, address)])
    found = []
    for line in told():
        fields = dict(word.split("=", 1) for word in line.partition(" result=")[0].split()[1:])
        assert set(fields) == {"network", "rule", "type", "count", "window", "threshold", "duration", "id"}
        found.append((fields["network"], line.partition(" result=")[2].split()[0]))
    assert found == [(network, "banned") for network in (*addresses[:2], "2001:db8::/64")]


def test_c14_the_attempts_and_the_threshold_stand_in_the_journal(watch, warden, access, told) -> None:
    """Deliberately at the threshold, not at each attempt: those are events of the database."""
    watching = watch(ssh(access) + LOGINS.format(3))
    watching.sees(access, [failed("203.0.113.1")] * 2)
    assert told() == []
    watching.sees(access, [failed("203.0.113.1")])
    (line,) = told()
    assert {"count=3", "threshold=3/600s", "network=203.0.113.1"} <= set(line.split())


def test_c14_an_address_that_is_banned_already_is_no_warning(watch, warden, access, log, monkeypatch, capfd) -> None:
    monkeypatch.setenv("JOURNAL_STREAM", "8:1")
    states = ["banned", "unchanged"]
    warden.answer = lambda request: {
        "v": 1,
        "ok": True,
        "result": {"results": [{"network": "x", "state": states.pop(0), "message": ""}]},
    }
    watching = watch(FLOOD + web(access))
    watching.sees(access, log.lines(30, NOW))
    watching.sees(access, log.lines(30, NOW + 90), after=90)
    priorities = [line[:3] for line in capfd.readouterr().err.splitlines() if ">ban " in line]
    assert priorities == ["<4>", "<6>"]


def test_c14_the_first_sight_of_an_address_is_told(watch, warden, access, capfd) -> None:
    watch(ssh(access) + LOGINS.format(3)).sees(access, [failed("203.0.113.1")])
    assert "203.0.113.1" in capfd.readouterr().err


def test_b8_a_message_that_no_rule_counts_is_kept_all_the_same(watch, warden, access, tmp_path, monkeypatch) -> None:
    monkeypatch.setattr("stockade.watcher.service.EVENTS", 0.0)
    watching = watch("[events]\ntext = true\n" + ssh(access) + NEVER)
    watching.sees(access, [failed("203.0.113.10"), said("Server listening on :: port 22.")])
    (event,) = events(tmp_path / "events.db", Question())
    expected = {"at": NOW, "input": "ssh", "rule": "", "address": "203.0.113.10", "kind": "failure", "user": "root"}
    assert {key: event[key] for key in expected} == expected
    assert event["text"] == "Failed password for root from 203.0.113.10 port 4711 ssh2"
    assert [rule["tracked"] for rule in watching.service.status()["rules"]] == [0]


def test_ch19_the_events_are_private_indexed_and_end(watch, warden, access, tmp_path, monkeypatch) -> None:
    monkeypatch.setattr("stockade.watcher.service.EVENTS", 0.0)
    monkeypatch.setattr("stockade.watcher.eventlog.PRUNE", 0.0)
    monkeypatch.chdir("/")  # the file is where the state is, not where somebody stood
    before = os.umask(0)
    try:
        watching = watch("[events]\ndays = 3\n" + ssh(access) + NEVER)
        watching.sees(access, [failed("203.0.113.10")])
    finally:
        os.umask(before)
    path = tmp_path / "events.db"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    with sqlite3.connect(path) as database:
        for question in (Question(address=parse_network("203.0.113.10")), Question(since=NOW, until=NOW + 1)):
            query, values = question.sql()
            plan = " ".join(str(row) for row in database.execute(f"EXPLAIN QUERY PLAN {query}", values))
            assert "USING INDEX" in plan
            assert "SCAN events" not in plan
    database.close()
    assert events(path, Question(rule="x' OR ''='")) == []
    assert len(events(path, Question())) == 1
    watching.sees(access, [], after=3 * 86_400 + 1)
    assert events(path, Question()) == []
