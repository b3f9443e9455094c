# Copyright (c) 2026, stockade.fleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""`stockade report traffic`, and what the timers leave: a log that only grows, and nothing anywhere else."""

from __future__ import annotations

import json
import os
import stat
import sys
from pathlib import Path
from typing import Any

import pytest
from reportlab import ReportingHost, verdict
from wardenlab import NOW

from stockade.cli.parser import CONFIGS
from stockade.client import Client
from stockade.report import config
from stockade.watcher.verdict import Verdict

ROOT = Path(__file__).resolve().parents[3]
HEADER = "=== Traffic Monitor Report (2027-01-15 08:00) ==="
STAMP = "2027-01-15T08:00:00+0000: "


def test_a7_a26_an_alert_for_each_client(host: ReportingHost) -> None:
    host.says(NOW - 1800, verdict("203.0.113.9", last=NOW - 1800))
    host.says(NOW - 600, verdict("203.0.113.9", count=41))
    host.says(NOW - 500, verdict("2001:db8:1:2::/64", last=NOW - 500, result="observed"))
    done = host.report("traffic")
    assert (done.code, done.err) == (0, "")
    assert done.lines == [
        HEADER,
        "ALERT: 41 requests in 58s (threshold 30 in 60s) from 203.0.113.9 (??) [watcher/requests] host=web1 times=2"
        " first=2027-01-15T07:29:03 last=2027-01-15T07:50:00 result=banned",
        "ALERT: 34 requests in 58s (threshold 30 in 60s) from 2001:db8:1:2::/64 (??) [watcher/requests] host=web1"
        " times=1 first=2027-01-15T07:50:43 last=2027-01-15T07:51:40 result=observed",
    ]
    asked = (host.path / "asked").read_text().splitlines()
    assert "_SYSTEMD_UNIT=stockade-watcher.service" in asked and f"--since=@{NOW - 3600}" in asked


def test_a_verdict_is_understood_as_the_watcher_says_it(host: ReportingHost) -> None:
    decided = Verdict("203.0.113.9", "flood", 30, NOW - 70, NOW - 60, maxretry=30, findtime=60, duration=600)
    said = decided.journal("held back (storm)")
    host.says(NOW - 60, said)
    row = json.loads(host.report("traffic", "--json").out)["rows"][0]
    assert row == {
        "address": "203.0.113.9",
        "country": "??",
        "jail": "watcher/flood",
        "host": "web1",
        "times": 1,
        "first": "2027-01-15T07:58:50Z",
        "last": "2027-01-15T07:59:00Z",
        "state": "held back (storm)",
        "until": None,
        "seen": "30 requests in 11s (threshold 30 in 60s)",
    }


def test_failed_logins_are_no_traffic(host: ReportingHost) -> None:
    host.says(NOW - 60, verdict("203.0.113.9", rule="logins", kind="failures"))
    host.says(NOW - 60, "watching 2 inputs")
    assert host.report("traffic").out == ""


def test_ah12_a_watcher_that_is_not_there_is_no_quiet_hour(host: ReportingHost) -> None:
    host.watcher = None
    done = host.report("traffic")
    assert done.code == 1 and "the watcher is not running: see `systemctl status stockade-watcher" in done.err
    host.watcher = {"state": "silent"}
    assert host.report("traffic").code == 1


@pytest.mark.parametrize(
    ("code", "error"),
    [
        (0, "No journal files were opened due to insufficient permissions."),
        (0, "No journal files were found."),
        (0, "Hint: You are currently not seeing messages from other users and the system."),
        (1, "Failed to open the journal"),
    ],
)
def test_ah12_a_journal_that_cannot_be_read_is_no_quiet_hour(host: ReportingHost, code: int, error: str) -> None:
    host.journal(code=code, error=error)
    done = host.report("traffic")
    assert done.code == 1 and error in done.err


def test_lines_of_the_journal_that_are_none_cost_themselves(host: ReportingHost) -> None:
    host.says(NOW - 60, verdict("not-an-address") + "\nnetwork=203.0.113.8")
    host.says(NOW - 60, verdict("not-an-address"))
    host.says(NOW - 60, verdict("203.0.113.9"))
    host.said.append({"__REALTIME_TIMESTAMP": "soon", "MESSAGE": "x", "SYSLOG_IDENTIFIER": "stockade"})
    host.journal()
    done = host.report("traffic", "--json")
    assert [row["address"] for row in json.loads(done.out)["rows"]] == ["203.0.113.9"]


def test_a_verdict_that_is_told_again_counts_once_as_it_was_first(host: ReportingHost) -> None:
    host.says(NOW - 600, verdict("203.0.113.9"))
    host.says(NOW - 500, verdict("203.0.113.9", result="unchanged"))
    row = json.loads(host.report("traffic", "--json").out)["rows"][0]
    assert (row["times"], row["state"]) == (1, "banned")


def test_a_journal_that_complains_at_length_is_no_reason_to_wait(host: ReportingHost) -> None:
    host.journal(more="head -c 300000 /dev/zero | tr '\\0' x >&2")
    assert host.report("traffic").code == 0


def test_a27_nothing_something_and_a_part_that_is_missing(host: ReportingHost) -> None:
    done = host.timer("traffic")
    assert done.code == 0
    quiet = [
        STAMP + "Starting traffic report check",
        STAMP + "No traffic spikes to report.",
        STAMP + "Script finished.",
    ]
    assert host.kept("traffic") == quiet
    host.says(NOW - 600, verdict("203.0.113.9"))
    assert host.timer("traffic").code == 0
    kept = host.kept("traffic")[3:]
    assert kept[0] == STAMP + "Starting traffic report check" and kept[1] == HEADER
    assert kept[2].startswith("ALERT: 34 requests") and len(kept) == 5
    assert kept[3:] == [STAMP + "Report generated and logged.", STAMP + "Script finished."]
    host.watcher_config.unlink()
    done = host.timer("traffic")
    assert done.code == 1 and "watcher.toml not found!" in done.err
    assert host.kept("traffic")[9:] == [
        STAMP + f"ERROR: {host.watcher_config} not found! The watcher is not set up on this host",
        STAMP + "Script finished.",
    ]


def test_a27_the_daily_one_has_its_own_words(host: ReportingHost) -> None:
    host.timer("security")
    host.console.ban("203.0.113.9")
    host.timer("security")
    kept = host.kept("security")
    assert kept[0] == STAMP + "Starting security report check" and kept[1] == STAMP + "No security incidents to report."
    assert kept[4].startswith("=== Security Officer Report") and kept[6] == STAMP + "Security incidents logged."


def test_a30_the_log_is_the_services_and_a_groups(host: ReportingHost) -> None:
    before = os.umask(0o027)
    try:
        host.timer("security")
    finally:
        os.umask(before)
    assert stat.S_IMODE((host.logs / "security.log").stat().st_mode) == 0o640


def test_a28_ah5_without_its_log_it_fails_and_writes_nowhere_else(
    host: ReportingHost, monkeypatch: pytest.MonkeyPatch
) -> None:
    temporary = host.path / "tmp"
    temporary.mkdir()
    monkeypatch.setenv("TMPDIR", str(temporary))
    host.logs.rmdir()
    done = host.timer("security")
    assert (
        done.code == 1 and done.err == f"stockade: cannot write {host.logs}/security.log: No such file or directory\n"
    )
    assert not list(temporary.iterdir()) and not Path("/tmp/security.log").exists()


@pytest.mark.parametrize("kind", ["link", "fifo"])
def test_ah5_what_lies_in_the_place_of_the_log_is_not_written_to(host: ReportingHost, kind: str) -> None:
    victim, log = host.path / "victim", host.logs / "security.log"
    victim.write_text("precious")
    log.symlink_to(victim) if kind == "link" else os.mkfifo(log)
    done = host.timer("security")
    assert done.code == 1 and "cannot write" in done.err and victim.read_text() == "precious"


def test_ah6_a_run_adds_to_the_log_and_shortens_nothing(host: ReportingHost) -> None:
    host.timer("security")
    first = host.kept("security")
    host.timer("security")
    assert host.kept("security") == first * 2


def test_a_night_that_was_missed_is_made_up_for(host: ReportingHost) -> None:
    """A24, A25: the host was down for three hours, and its warden silent the run before."""
    host.timer("traffic")
    assert (host.logs / "traffic.until").read_text() == f"{NOW}\n"
    (host.logs / "traffic.until").write_text(f"{NOW - 4 * 3600}\n")
    host.says(NOW - 3 * 3600, verdict("203.0.113.9"))
    host.watcher = None
    assert host.timer("traffic").code == 1
    asked = (host.path / "asked").read_text().splitlines()
    assert f"--since=@{NOW - 4 * 3600}" in asked
    assert (host.logs / "traffic.until").read_text() == f"{NOW - 4 * 3600}\n", "it was not whole"
    host.watcher = {"state": "watching"}
    assert host.timer("traffic").code == 0
    assert (host.logs / "traffic.until").read_text() == f"{NOW}\n"


@pytest.mark.parametrize(("last", "since"), [("0", 7 * 86_400), ("soon", 3600), (str(NOW + 999), 3600)])
def test_what_is_made_up_for_has_bounds(host: ReportingHost, last: str, since: int) -> None:
    (host.logs / "traffic.until").write_text(last)
    host.timer("traffic")
    assert f"--since=@{NOW - since}" in (host.path / "asked").read_text().splitlines()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a directory away")
def test_root_does_not_write_the_timers_log_by_hand(host: ReportingHost) -> None:
    os.chown(host.logs, 65534, 65534)
    done = host.timer("security")
    assert done.code == 1 and "`systemctl start stockade-report@security` makes the report" in done.err
    assert not list(host.logs.iterdir())


@pytest.mark.parametrize(
    "words",
    [
        ("--address", "203.0.113.9", "security"),
        ("--rule", "x", "traffic"),
        ("--until", "2h", "security"),
        ("--limit", "5", "security"),
        ("--limit", "100", "security"),  # the default, said
        ("--events", "/nowhere/events.db", "traffic"),
        ("security", "--json", "--csv"),
        ("security", "--csv", "--log", "/nowhere"),
        ("security", "--since", "30000d"),
    ],
)
def test_what_would_be_left_out_without_a_word_is_refused(host: ReportingHost, words: tuple[str, ...]) -> None:
    assert host.report(*words).code == 2


def test_a20_ah20_countries_come_from_a_file_or_are_unknown(
    host: ReportingHost, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("maxminddb")
    monkeypatch.syspath_prepend(str(ROOT / "tests/unit/plugins/plugin_utils"))
    from mmdbfile import write_mmdb

    database = host.path / "country.mmdb"
    write_mmdb(database, {"203.0.113.0/24": {"country": {"iso_code": "DE"}}})
    host.config.write_text(f'country_database = "{database}"\n')
    host.console.ban("203.0.113.9", "198.51.100.7", "192.168.7.7")
    shown = [line.split(" [")[0] for line in host.report("security").lines[1:]]
    assert shown == ["192.168.7.7 (??)", "198.51.100.7 (??)", "203.0.113.9 (DE)"]


def test_a_database_of_ipv4_only_is_not_called_damaged(host: ReportingHost, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("maxminddb")
    monkeypatch.syspath_prepend(str(ROOT / "tests/unit/plugins/plugin_utils"))
    from mmdbfile import write_mmdb

    database = host.path / "country.mmdb"
    write_mmdb(database, {"203.0.113.0/24": {"country": {"iso_code": "DE"}}}, version=4)
    host.config.write_text(f'country_database = "{database}"\n')
    host.console.ban("203.0.113.9", "2001:db8::9")
    done = host.report("security")
    assert {line.split(" [")[0] for line in done.lines[1:]} == {"2001:db8::9 (??)", "203.0.113.9 (DE)"}
    assert "the database is of IPv4 only" in done.err and "damaged" not in done.err


def test_ah20_without_library_or_file_a_country_is_unknown_and_nothing_fails(
    host: ReportingHost, monkeypatch: pytest.MonkeyPatch
) -> None:
    host.config.write_text('country_database = "/nowhere/country.mmdb"\n')
    host.console.ban("203.0.113.9")
    done = host.report("security")
    assert done.code == 0 and "203.0.113.9 (??)" in done.out and "countries are unknown" in done.err
    monkeypatch.setitem(sys.modules, "maxminddb", None)
    assert "python3-maxminddb is not installed" in host.report("security").err


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("colour = 1", "unknown key 'colour'"),
        ("command = 'notify'", "command must be list, not str"),
        ("command = ['notify']", "the program 'notify' is no full path"),
        ("command = ['/bin/x', '']", "a list of texts that are not empty"),
        ("country_database = 'x.mmdb'", "country_database: 'x.mmdb' is no full path"),
        ("command = [", "report.toml: "),
    ],
)
def test_a_configuration_that_cannot_be_meant_is_named(host: ReportingHost, text: str, said: str) -> None:
    host.config.write_text(text)
    done = host.report("security")
    assert done.code == 2 and said in done.err
    checked = host.console.run("check", "--report-config", str(host.config), "--watcher-config", str(host.config))
    assert checked.code == 2 and said in checked.out


def test_the_configuration_is_where_the_module_writes_it() -> None:
    assert str(config.PATH) == CONFIGS["report"] == "/etc/stockade/report.toml"


def test_the_report_may_only_read(host: ReportingHost) -> None:
    from stockade.protocol import ProtocolError
    from stockade.warden.callers import SERVICES

    host.console.caller = SERVICES["stockade-report"]
    client = Client(host.console.path)
    assert client.call("history", since=0, each=True)["decisions"] == []
    alarm = {"about": "x", "text": "y"}
    asked: list[tuple[str, dict[str, Any]]] = [("alarm", alarm), ("changes", {}), ("ban", {}), ("unban", {"all": True})]
    asked += [(operation, {}) for operation in ("whitelist_set", "permanent_bans", "release", "resume")]
    for operation, fields in asked:
        with pytest.raises(ProtocolError) as refused:
            client.call(operation, **fields)
        assert refused.value.code == "denied"
