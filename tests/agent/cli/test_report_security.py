# Copyright (c) 2026, stockade.fleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""`stockade report security`: who was banned within a day, whoever decided, one row for each jail and address."""

from __future__ import annotations

import csv
import gzip
import io
import json
import os

import pytest
from reportlab import ReportingHost, notice
from wardenlab import NOW

from stockade.client import Client

HOUR, DAY = 3600, 86_400
HEADER = "=== Security Officer Report (2027-01-15 08:00) ==="


def test_a16_a_day_by_the_lines_own_time(host: ReportingHost) -> None:
    host.logged(
        (NOW - 25 * HOUR, notice("sshd", "Ban 203.0.113.25")),
        (NOW - 3 * HOUR, notice("sshd", "Ban 203.0.113.3")),
    )
    done = host.report("security")
    assert (done.code, done.err) == (0, "")
    assert done.lines == [
        HEADER,
        "203.0.113.3 (??) [sshd] host=web1 bans=1 first=2027-01-15T05:00:00 last=2027-01-15T05:00:00",
    ]
    assert len(host.report("security", "--since", "26h").lines) == 3
    assert host.report("security", "--since", "2h").out == ""


def test_a17_one_row_for_each_jail_and_address_in_their_order(host: ReportingHost) -> None:
    host.logged(
        (NOW - 3000, notice("sshd", "Ban 203.0.113.9")),
        (NOW - 2000, notice("sshd", "Ban 203.0.113.10")),
        (NOW - 1000, notice("sshd", "Ban 203.0.113.9")),
        (NOW - 500, notice("apache-auth", "Ban 203.0.113.9")),
    )
    rows = json.loads(host.report("security", "--json").out)["rows"]
    assert [(row["jail"], row["address"], row["times"]) for row in rows] == [
        ("apache-auth", "203.0.113.9", 1),
        ("sshd", "203.0.113.9", 2),
        ("sshd", "203.0.113.10", 1),
    ]


def test_a18_a26_the_rows_begin_as_they_always_did(host: ReportingHost) -> None:
    host.console.ban("203.0.113.9", source="fail2ban/sshd", duration="1h", reason="4 failures")
    host.console.ban("203.0.113.8", duration="permanent", reason="by hand")
    assert host.report("security").lines == [
        HEADER,
        "203.0.113.8 (??) [operator] host=web1 bans=1 first=2027-01-15T08:00:00 last=2027-01-15T08:00:00"
        " state=banned until=permanent by hand",
        "203.0.113.9 (??) [sshd] host=web1 bans=1 first=2027-01-15T08:00:00 last=2027-01-15T08:00:00"
        " state=banned until=2027-01-15T09:00:00 4 failures",
    ]


@pytest.mark.parametrize("jail", ["apache-auth", "my.jail-2"])
def test_a19_names_of_jails_come_out_whole(host: ReportingHost, jail: str) -> None:
    host.logged((NOW - 60, notice(jail, "Ban 203.0.113.9")))
    assert f" [{jail}] " in host.report("security").out


def test_a19_without_a_jail_it_is_unknown(host: ReportingHost) -> None:
    host.logged((NOW - 60, "fail2ban.actions [1]: NOTICE  Ban 203.0.113.9"))
    assert " [unknown] " in host.report("security").out


def test_a21_ipv6_is_there_too(host: ReportingHost) -> None:
    host.logged((NOW - 60, notice("sshd", "Ban 2001:db8::1")))
    assert "2001:db8::1 (??) [sshd]" in host.report("security").out


@pytest.mark.parametrize(
    "words",
    [
        "Restore Ban 203.0.113.9",
        "Unban 203.0.113.9",
        "203.0.113.9 already banned",
        "Reban 203.0.113.9",
        "Increase Ban 203.0.113.9 (2 # 0:20:00 -> 2027-01-15 08:20:00)",
        "Repeal Ban 203.0.113.9",
        "Drop 203.0.113.9",
        "Found 203.0.113.9 - 2027-01-15 07:59:00",
    ],
)
def test_a22_ah21_what_is_no_new_ban(host: ReportingHost, words: str) -> None:
    host.logged((NOW - 60, notice("sshd", words)))
    assert host.report("security").out == ""


def test_a23_nothing_is_no_output(host: ReportingHost) -> None:
    done = host.report("security")
    assert (done.code, done.out, done.err) == (0, "", "")
    assert host.console.terminal("report", "security", "--config", str(host.config)).out == (
        "No security incidents to report.\n"
    )


@pytest.mark.parametrize("text", ["face", "198.51.100.0/33", "--help", "203.0.113.9;id"])
def test_ah19_what_is_no_address_is_no_row(host: ReportingHost, text: str) -> None:
    host.logged((NOW - 60, notice("sshd", f"Ban {text}")), (NOW - 60, notice("sshd", "Ban 198.51.100.0/24")))
    rows = json.loads(host.report("security", "--json").out)["rows"]
    assert [row["address"] for row in rows] == ["198.51.100.0/24"]


def test_a_line_that_only_quotes_one_is_no_ban(host: ReportingHost) -> None:
    host.logged(
        (
            NOW - 60,
            "fail2ban.filter [1]: INFO    [web] Found 203.0.113.1 fail2ban.actions [1]: NOTICE [x] Ban 203.0.113.2",
        ),
        (NOW - 60, "fail2ban.utils [1]: ERROR fail2ban.actions [1]: NOTICE  [sshd] Ban 203.0.113.3"),
    )
    assert host.report("security").out == ""


def test_ah18_ah22_rotated_and_packed_logs_belong_to_the_day(host: ReportingHost) -> None:
    host.logged((NOW - 60, notice("sshd", "Ban 203.0.113.1")))
    for ending, address, packed in (("1", "203.0.113.2", False), ("2.gz", "203.0.113.3", True)):
        path = host.log.with_name(f"fail2ban.log.{ending}")
        line = f"2027-01-14 23:00:00,001 {notice('sshd', f'Ban {address}')}\n".encode()
        path.write_bytes(gzip.compress(line) if packed else line)
        os.utime(path, (NOW - 8 * HOUR, NOW - 8 * HOUR))
    old = host.log.with_name("fail2ban.log.3.gz")
    old.write_bytes(b"no archive at all")
    os.utime(old, (NOW - 9 * DAY, NOW - 9 * DAY))
    done = host.report("security", "--json")
    assert done.code == 0
    assert [row["address"] for row in json.loads(done.out)["rows"]] == ["203.0.113.1", "203.0.113.2", "203.0.113.3"]


def test_ah22_a_fail2ban_that_logs_to_the_journal_is_asked_there(host: ReportingHost) -> None:
    host.says(NOW - 60, "[sshd] Ban 203.0.113.9", "fail2ban.actions")
    host.says(NOW - 50, "[sshd] Restore Ban 203.0.113.10", "fail2ban.actions")
    host.says(NOW - 40, "[sshd] Ban 203.0.113.11", "fail2ban.filter")
    assert [line.split()[0] for line in host.report("security").lines[1:]] == ["203.0.113.9"]
    asked = (host.path / "asked").read_text().splitlines()
    assert "_SYSTEMD_UNIT=fail2ban.service" in asked and f"--since=@{NOW - DAY}" in asked


def test_ah22_an_empty_log_hides_no_journal_and_a_stopped_fail2ban_no_bans(host: ReportingHost) -> None:
    host.logged()
    os.utime(host.log, (NOW, NOW))
    host.says(NOW - 60, "[sshd] Ban 203.0.113.9", "fail2ban.actions")
    host.says(NOW - 50, f"2027-01-15 07:59:10,000 {notice('sshd', 'Ban 203.0.113.10')}", "fail2ban-server")
    assert [line.split()[0] for line in host.report("security").lines[1:]] == ["203.0.113.9", "203.0.113.10"]


def test_copies_of_the_log_count_nobody_twice(host: ReportingHost) -> None:
    host.logged((NOW - 60, notice("sshd", "Ban 203.0.113.9")))
    content = host.log.read_bytes()
    for ending, data in ((".bak", content), (".1", content.replace(b".9", b".8")), (".1.gz", gzip.compress(content))):
        path = host.log.with_name(host.log.name + ending)
        path.write_bytes(data)
        os.utime(path, (NOW, NOW))
    rows = json.loads(host.report("security", "--json").out)["rows"]
    assert [(row["address"], row["times"]) for row in rows] == [("203.0.113.8", 1), ("203.0.113.9", 1)]


def test_a_ban_that_was_lifted_and_made_anew_within_a_second_holds(host: ReportingHost) -> None:
    host.console.ban("203.0.113.9")
    host.console.ask("unban", networks=["203.0.113.9"])
    host.console.ban("203.0.113.9")
    row = json.loads(host.report("security", "--json").out)["rows"][0]
    assert (row["state"], row["times"]) == ("banned", 2)


def test_bans_that_are_out_of_force_are_not_told_as_if_they_held(host: ReportingHost) -> None:
    host.console.ban("203.0.113.9")
    host.console.ask("release")
    done = host.report("security")
    assert done.code == 1 and "bans are not in force: the warden is released" in done.err


def test_where_fail2ban_is_and_nothing_of_it_can_be_read_the_report_is_not_whole(host: ReportingHost) -> None:
    host.journal(error="No journal files were found.")
    assert host.report("security").code == 0  # there is no fail2ban at all
    (host.path / "fail2ban.sock").touch()
    done = host.report("security")
    assert done.code == 1 and "bans of jails that do not ask the warden may be missing: No journal files" in done.err


def test_what_both_know_is_one_row_that_says_how_it_stands(host: ReportingHost) -> None:
    host.console.ban("203.0.113.9", source="fail2ban/sshd", duration="1h")
    host.logged((NOW - 7200, notice("sshd", "Ban 203.0.113.9")), (NOW, notice("sshd", "Ban 203.0.113.9")))
    rows = json.loads(host.report("security", "--json").out)["rows"]
    assert [(row["times"], row["first"], row["state"], row["until"]) for row in rows] == [
        (2, "2027-01-15T06:00:00Z", "banned", "2027-01-15T09:00:00Z")
    ]


def test_bans_that_are_over_say_so_and_lists_are_no_incidents(host: ReportingHost) -> None:
    host.console.ban("203.0.113.1", "203.0.113.2", duration="1h")
    host.console.ask("unban", networks=["203.0.113.1"])
    host.console.ask("permanent_bans", list="scanners", entries=["203.0.113.3"])
    rows = json.loads(host.report("security", "--json").out)["rows"]
    assert [(row["address"], row["state"]) for row in rows] == [("203.0.113.1", "lifted"), ("203.0.113.2", "banned")]


def test_ah12_a_silent_warden_is_a_failure_and_what_is_known_is_shown(
    host: ReportingHost, monkeypatch: pytest.MonkeyPatch
) -> None:
    host.logged((NOW - 60, notice("sshd", "Ban 203.0.113.9")))
    monkeypatch.setattr("stockade.report.sources.Client", lambda: Client(str(host.path / "nowhere")))
    done = host.report("security")
    assert done.code == 1
    assert "203.0.113.9 (??) [sshd]" in done.out
    assert "the warden does not answer" in done.err


def test_a_log_that_cannot_be_read_is_a_failure_that_names_it(host: ReportingHost) -> None:
    host.logged((NOW - 60, notice("sshd", "Ban 203.0.113.9")))
    host.log.with_name("fail2ban.log.1.gz").write_bytes(gzip.compress(b"x" * 1000)[:-12])
    os.utime(host.log.with_name("fail2ban.log.1.gz"), (NOW, NOW))
    done = host.report("security")
    assert done.code == 1 and "203.0.113.9 (??) [sshd]" in done.out
    assert "bans of jails that do not ask the warden may be missing: " in done.err and "fail2ban.log.1.gz" in done.err


def test_ah23_hostile_words_forge_no_row(host: ReportingHost) -> None:
    host.console.ban("203.0.113.9", reason="\\n203.0.113.1 (DE) [sshd] \\c\x1b[2J\u202e")
    host.logged((NOW - 60, notice("ja\x1bil", "Ban 203.0.113.8")))
    done = host.report("security")
    assert len(done.lines) == 3 and "\x1b" not in done.out and "\u202e" not in done.out
    cells = list(csv.reader(io.StringIO(host.report("security", "--csv").out)))
    assert len(cells) == 3 and all("\x1b" not in cell for row in cells for cell in row)


def test_csv_computes_nothing(host: ReportingHost) -> None:
    host.console.ban("203.0.113.9", reason='=HYPERLINK("http://203.0.113.1","x")')
    table = list(csv.DictReader(io.StringIO(host.report("security", "--csv").out)))
    assert table[0]["address"] == "203.0.113.9" and table[0]["seen"].startswith("'=")


def test_whether_there_is_something_is_an_exit_code_for_who_asks(host: ReportingHost) -> None:
    assert host.report("security", "--exit-code").code == 0
    host.console.ban("203.0.113.9")
    assert host.report("security", "--exit-code").code == 3
    assert host.report("security").code == 0


@pytest.mark.parametrize("since", ["soon", "permanent", "0"])
def test_a_span_that_is_none_is_refused(host: ReportingHost, since: str) -> None:
    done = host.report("security", "--since", since)
    assert done.code == 2 and done.err.startswith("stockade: --since: ")
