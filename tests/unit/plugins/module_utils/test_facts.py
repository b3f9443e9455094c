# Copyright (c) 2026, stockade.fleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Facts of one host: everything, a part of it, or nothing is there."""

from __future__ import annotations

import json
import os
import time
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.stockade.fleet.plugins.module_utils import _facts, _facts_jails
from ansible_collections.stockade.fleet.plugins.module_utils._errors import StockadeError
from ansible_collections.stockade.fleet.plugins.module_utils._facts_bans import newest_first, summarise
from ansible_collections.stockade.fleet.plugins.module_utils._facts_services import parse, services
from ansible_collections.stockade.fleet.plugins.module_utils._facts_watcher import MAX_BYTES, read_status
from ansible_collections.stockade.fleet.plugins.module_utils._fail2ban._client import (
    Fail2banRefused,
    Fail2banUnavailable,
)
from ansible_collections.stockade.fleet.plugins.module_utils._warden import WardenAbsent, WardenRefused

DATA = Path(__file__).resolve().parents[3] / "data" / "report"
NOW = 1_795_000_000
PENALTY = json.dumps(
    {
        "__REALTIME_TIMESTAMP": str(NOW * 10**6),
        "MESSAGE": "drop connection #1 from [203.0.113.9]:40000 on [192.0.2.1]:22 penalty: failed authentication",
    }
)


def row(network: str, *, at: int = NOW, until: int | None = None, source: str = "operator") -> dict[str, Any]:
    return {
        "id": network,
        "network": network,
        "source": source,
        "origin": "web1",
        "reason": "",
        "banned_at": at,
        "expires_at": until,
    }


class Warden:
    """Answers like the warden from a list of rows."""

    def __init__(self, rows: list[dict[str, Any]] | None = None, *, error: StockadeError | None = None) -> None:
        self.rows, self.error = rows or [], error
        self.asked: list[str] = []

    def call(self, op: str, **fields: Any) -> dict[str, Any]:
        self.asked.append(op)
        if self.error is not None:
            raise self.error
        if op == "bans":
            shown = newest_first(self.rows)[: fields["limit"]]
            return {"bans": shown, "total": len(self.rows), "truncated": len(shown) < len(self.rows)}
        if op == "history":
            return {"since": fields["since"], "bans": len(self.rows), "by_hour": {}}
        if op == "whitelist":
            return {"entries": [{"network": "192.0.2.1", "comment": "", "list": "operator", "expires_at": None}]}
        return {"state": "enforcing", "bans": len(self.rows), "problems": []}


class Fail2ban:
    """Answers like fail2ban's client: jails with their addresses and actions."""

    def __init__(self, jails: dict[str, tuple[list[str], str]] | None = None, *, gone: str = "") -> None:
        self.jails, self.gone = jails, gone

    def summary(self) -> dict[str, Any]:
        if self.jails is None:
            raise Fail2banUnavailable("fail2ban is not running on this host: no socket")
        counts = {"currently_failed": 1, "total_failed": 2, "total_banned": 3, "logpaths": [], "journalmatches": []}
        return {
            "version": "1.1.0",
            "jails": [
                {"name": name, "banned": banned, "currently_banned": len(banned), **counts}
                for name, (banned, _action) in self.jails.items()
            ],
        }

    def call(self, command: list[str]) -> Any:
        assert self.jails is not None
        if command == ["get", "dbfile"]:
            return "/nonexistent/fail2ban.sqlite3"
        _get, jail, what = command[:3]
        if jail == self.gone:
            raise Fail2banRefused("no such jail", kind="UnknownJailException")
        addresses, action = self.jails[jail]
        if what == "actions":
            return [action]
        return [f"{address} \t2026-11-20 11:13:29 + 600 = 2026-11-20 11:23:29" for address in addresses]


def gather(
    warden: Warden, fail2ban: Fail2ban, *, limit: int = 1000, systemd: str = "", brief: bool = False
) -> dict[str, Any]:
    return _facts.gather(
        limit=limit,
        since=NOW - 86400,
        brief=brief,
        run=lambda argv: (0, PENALTY if "journalctl" in argv else systemd, ""),
        systemctl="/usr/bin/systemctl" if systemd else None,
        now=NOW,
        host="web1",
        warden=warden,  # type: ignore[arg-type]
        fail2ban=fail2ban,  # type: ignore[arg-type]
        watcher_status="/nonexistent/status.json",
        database="/nonexistent/fail2ban.sqlite3",
    )


def test_host_with_agent_and_fail2ban() -> None:
    rows = [row("203.0.113.1", at=NOW - 50), row("203.0.113.2", source="fail2ban/sshd", until=NOW + 60)]
    facts = gather(Warden(rows), Fail2ban({"sshd": (["203.0.113.2"], "stockade")}))
    assert [ban["network"] for ban in json.loads(facts["bans"])] == ["203.0.113.2", "203.0.113.1"]
    assert facts["summary"]["by_source"] == {"fail2ban/sshd": 1, "operator": 1}
    assert facts["warden"]["available"] and facts["fail2ban"] == {
        "available": True,
        "reason": "",
        "version": "1.1.0",
        "database": "/nonexistent/fail2ban.sqlite3",
        "database_problem": "",
    }
    assert facts["history"] == {
        "available": True,
        "reason": "",
        "by": "warden",
        "since": NOW - 86400,
        "bans": 2,
        "by_hour": "{}",
    }
    assert facts["jails"] == [
        {
            "name": "sshd",
            "currently_failed": 1,
            "total_failed": 2,
            "currently_banned": 1,
            "total_banned": 3,
            "logpaths": [],
            "journalmatches": [],
            "banned": ["203.0.113.2"],
        }  # fmt: skip
    ]
    assert json.loads(facts["whitelist"])[0]["network"] == "192.0.2.1"
    assert not facts["truncated"]


def test_bans_of_a_jail_without_our_action_are_added_and_known_ones_are_not() -> None:
    fail2ban = Fail2ban({"ftp": (["203.0.113.1", "203.0.113.9"], "nftables"), "sshd": (["203.0.113.5"], "stockade")})
    facts = gather(Warden([row("203.0.113.1")]), fail2ban)
    assert {(ban["network"], ban["source"]) for ban in json.loads(facts["bans"])} == {
        ("203.0.113.1", "operator"),
        ("203.0.113.9", "fail2ban/ftp"),
    }
    assert facts["summary"]["bans"] == 2


def test_host_with_only_fail2ban_counts_every_jail() -> None:
    facts = gather(
        Warden(error=WardenAbsent("no warden on this host")), Fail2ban({"sshd": (["203.0.113.5"], "stockade")})
    )
    (ban,) = json.loads(facts["bans"])
    assert (ban["source"], ban["expires_at"] - ban["banned_at"]) == ("fail2ban/sshd", 600)
    assert facts["warden"] == {
        "installed": False,
        "available": False,
        "reason": "no warden on this host",
        "status": {},
    }


def test_host_with_only_the_agent() -> None:
    facts = gather(Warden([row("203.0.113.1")]), Fail2ban())
    assert facts["jails"] == []
    assert facts["fail2ban"]["reason"] == "fail2ban is not running on this host: no socket"
    assert facts["summary"]["bans"] == 1


def test_host_with_neither() -> None:
    facts = gather(Warden(error=WardenAbsent("no warden on this host")), Fail2ban())
    assert (facts["bans"], facts["whitelist"], facts["services"], facts["truncated"]) == ("[]", "[]", [], False)
    assert facts["summary"]["bans"] == 0 and facts["summary"]["newest"] is None
    assert facts["watcher"]["reason"] == "no watcher runs on this host (no /nonexistent/status.json)"


def test_jail_that_goes_away_meanwhile_is_left_out() -> None:
    fail2ban = Fail2ban({"ftp": (["203.0.113.9"], "nftables"), "sshd": (["203.0.113.5"], "nftables")}, gone="ftp")
    facts = gather(Warden([]), fail2ban)
    assert [ban["network"] for ban in json.loads(facts["bans"])] == ["203.0.113.5"]


def test_silent_warden_is_installed_and_not_available() -> None:
    facts = gather(Warden(error=StockadeError("the warden does not answer")), Fail2ban())
    assert facts["warden"]["installed"] and not facts["warden"]["available"]
    assert facts["warden"]["reason"] == "the warden does not answer"


@pytest.mark.parametrize("active", ["inactive", "failed"])
def test_stopped_warden_is_not_started_by_asking_it(active: str) -> None:
    warden = Warden([row("203.0.113.1")])
    facts = gather(warden, Fail2ban(), systemd=f"Id=stockade-warden.service\nLoadState=loaded\nActiveState={active}\n")
    assert warden.asked == []
    assert facts["warden"]["reason"] == f"the warden does not run: stockade-warden.service is {active}"


def test_limit_cuts_the_oldest_and_the_figures_count_all() -> None:
    rows = [row(f"203.0.113.{number}", at=NOW - number) for number in range(10)]
    facts = gather(Warden(rows), Fail2ban(), limit=3)
    assert [ban["network"] for ban in json.loads(facts["bans"])] == ["203.0.113.0", "203.0.113.1", "203.0.113.2"]
    assert facts["truncated"]
    assert (facts["summary"]["bans"], facts["summary"]["networks"], facts["summary"]["complete"]) == (10, 10, True)


def test_more_bans_than_are_counted_say_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_facts, "SUMMARY_ROWS", 4)
    facts = gather(Warden([row(f"203.0.113.{number}") for number in range(10)]), Fail2ban(), limit=2)
    assert (facts["summary"]["bans"], facts["summary"]["networks"], facts["summary"]["complete"]) == (10, 4, False)


def test_limit_beyond_what_the_warden_gives_is_no_error() -> None:
    class Strict(Warden):
        def call(self, op: str, **fields: Any) -> dict[str, Any]:
            if fields.get("limit", 0) > 200_000:  # stockade.warden.requests.MAX_ENTRIES
                raise WardenRefused("invalid", "limit: a number from 0 to 200000 is needed")
            return super().call(op, **fields)

    facts = gather(Strict([row("203.0.113.9")]), Fail2ban(), limit=1_000_000)
    assert facts["warden"]["available"] and facts["summary"]["bans"] == 1


def test_summary_tells_permanent_timed_and_soon() -> None:
    rows = [row("203.0.113.1"), row("203.0.113.2", until=NOW + 3600), row("203.0.113.3", until=NOW + 3601, at=5)]
    summary = summarise(rows, total=3, now=NOW)
    assert (summary["permanent"], summary["timed"], summary["expiring_1h"]) == (1, 2, 1)
    assert (summary["oldest"], summary["newest"]) == (5, NOW)


def test_time_of_a_ban_is_local_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TZ", "Asia/Tokyo")
    time.tzset()
    try:
        ban = _facts_jails.parse(
            "198.51.100.7 \t2026-11-20 11:13:29 + 600 = 2026-11-20 11:23:29", jail="sshd", host="gate"
        )
    finally:
        monkeypatch.undo()
        time.tzset()
    assert ban is not None
    assert ban["banned_at"] == 1_795_140_809  # 02:13:29 UTC
    assert ban["expires_at"] == ban["banned_at"] + 600


@pytest.mark.parametrize(
    ("until", "seconds", "banned_at"),
    [
        ("2026-10-26 01:30:00", 86400, 1_792_888_200),  # 00:30 UTC, before the clock went back
        ("2026-10-26 02:30:00", 86400, 1_792_891_800),  # 01:30 UTC, the same hour again
        ("2026-10-25 02:30:00", 3600, 1_792_888_200),
        ("2026-10-25 03:30:00", 3600, 1_792_891_800),
    ],
)
def test_ban_in_the_hour_that_the_clock_runs_through_twice(
    until: str, seconds: int, banned_at: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TZ", "CET-1CEST,M3.5.0,M10.5.0/3")
    time.tzset()
    try:
        line = f"198.51.100.7 \t2026-10-25 02:30:00 + {seconds} = {until}"
        ban = _facts_jails.parse(line, jail="sshd", host="gate")
    finally:
        monkeypatch.undo()
        time.tzset()
    assert ban is not None
    assert (ban["banned_at"], ban["expires_at"]) == (banned_at, banned_at + seconds)


@pytest.mark.parametrize(
    ("line", "network", "permanent"),
    [
        ("2001:db8::7 \t2026-11-20 11:13:29 + -1 = 9999-12-31 23:59:59", "2001:db8::7", True),
        ("198.51.100.0/24 \t2026-11-20 11:13:29 + 60 = 2026-11-20 11:14:29", "198.51.100.0/24", False),
    ],
)
def test_bans_of_a_jail(line: str, network: str, permanent: bool) -> None:
    ban = _facts_jails.parse(line, jail="sshd", host="gate")
    assert ban is not None
    assert (ban["network"], ban["expires_at"] is None) == (network, permanent)


@pytest.mark.parametrize("line", ["", "198.51.100.7", "host.example 2026-11-20 11:13:29 + 600 = x"])
def test_what_is_no_ban_of_a_jail(line: str) -> None:
    assert _facts_jails.parse(line, jail="sshd", host="gate") is None


def states(name: str) -> dict[str, tuple[str, str]]:
    return {unit["name"]: (unit["active"], unit["enabled"]) for unit in parse((DATA / name).read_text())}


def test_services_of_debian_12_without_anything_of_ours() -> None:
    assert states("systemctl-show-debian12.txt") == {
        "stockade-warden.service": ("inactive", ""),
        "stockade-warden.socket": ("inactive", ""),
        "stockade-watcher.service": ("inactive", ""),
        "ssh.service": ("active", "enabled"),
        "ssh.socket": ("inactive", "disabled"),
    }


def test_services_of_debian_13_with_the_warden() -> None:
    assert states("systemctl-show-debian13.txt") == {
        "stockade-warden.service": ("active", "enabled"),
        "stockade-warden.socket": ("active", "enabled"),
        "stockade-watcher.service": ("inactive", "masked"),
        "fail2ban.service": ("active", "enabled"),
        "nftables.service": ("inactive", "disabled"),
        "ssh.service": ("active", "enabled"),
        "ssh.socket": ("inactive", "disabled"),
    }


def test_failed_service_and_its_restarts() -> None:
    (unit,) = parse("NRestarts=5\nId=fail2ban.service\nLoadState=loaded\nActiveState=failed\nSubState=failed\n")
    assert unit["failed"] is True
    assert unit["restarts"] == 5


def test_drop_ins_that_are_not_ours_are_named() -> None:
    at = "/etc/systemd/system/ssh.socket.d/"
    (unit,) = parse(f"Id=ssh.socket\nLoadState=loaded\nDropInPaths={at}zz-stockade.conf {at}override.conf\n")
    assert unit["drop_ins"] == [f"{at}override.conf"]
    (unit,) = parse(
        "Id=stockade-warden.service\nDropInPaths=/etc/systemd/system/stockade-warden.service.d/stockade.conf\n"
    )
    assert unit["drop_ins"] == []


def test_systemd_is_asked_once_and_by_argument_list() -> None:
    asked: list[list[str]] = []

    def run(argv: list[str]) -> tuple[int, str, str]:
        asked.append(argv)
        return 0, "", ""

    services(run=run, systemctl="/bin/systemctl")
    assert len(asked) == 1
    assert asked[0][:2] == ["/bin/systemctl", "show"]
    assert services(run=run, systemctl=None) == []
    assert len(asked) == 1


def test_status_of_the_watcher(tmp_path: Path) -> None:
    path = tmp_path / "status.json"
    path.write_text('{"lines": 7}')
    assert read_status(str(path)) == {"available": True, "reason": "", "status": {"lines": 7}}


def test_status_by_way_of_a_link_is_not_read(tmp_path: Path) -> None:
    secret, path = tmp_path / "secret", tmp_path / "status.json"
    secret.write_text('{"password": "x"}')
    path.symlink_to(secret)
    status = read_status(str(path))
    assert not status["available"]
    assert status["status"] == {}


def test_status_that_is_a_pipe_does_not_block(tmp_path: Path) -> None:
    path = tmp_path / "status.json"
    os.mkfifo(path)
    assert "not a regular file" in read_status(str(path))["reason"]


@pytest.mark.parametrize("content", [b"secret", b"[1]", b"\xff", b"[" * 100_000])
def test_broken_status_is_not_quoted(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "status.json"
    path.write_bytes(content)
    assert read_status(str(path))["reason"] == f"cannot read {path}: not a JSON object"


def test_status_that_is_too_long(tmp_path: Path) -> None:
    path = tmp_path / "status.json"
    path.write_bytes(b" " * (MAX_BYTES + 1))
    assert f"at most {MAX_BYTES} bytes" in read_status(str(path))["reason"]


def test_figures_alone() -> None:
    rows = [row("203.0.113.1", at=NOW - 50)]
    facts = gather(Warden(rows), Fail2ban({"sshd": (["203.0.113.2"], "stockade")}), brief=True)
    assert (facts["bans"], facts["whitelist"], facts["jails"][0]["banned"]) == ("[]", "[]", [])
    assert facts["truncated"] and facts["summary"]["bans"] == 1 and facts["jails"][0]["currently_banned"] == 1


def test_whom_sshd_turns_away() -> None:
    facts = gather(Warden(), Fail2ban(), systemd="Id=ssh.service\nLoadState=loaded\n")
    assert [(row["address"], row["count"]) for row in facts["sshd_penalties"]] == [("203.0.113.9", 1)]
    assert gather(Warden(), Fail2ban())["sshd_penalties"] == [], "without systemd there is no journal"


def test_an_agent_from_before_packets_and_history_were_told() -> None:
    class Older(Warden):
        def call(self, op: str, **fields: Any) -> dict[str, Any]:
            if op == "history" or "packets" in fields:
                raise WardenRefused("invalid", f"{op}: not known here")
            return super().call(op, **fields)

    facts = gather(Older([row("203.0.113.1")]), Fail2ban())
    assert facts["warden"]["available"] and facts["summary"]["bans"] == 1 and facts["summary"]["packets"] == 0
    assert not facts["history"]["available"]
