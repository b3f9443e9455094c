# Copyright (c) 2026, stockade.fleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The report of five hosts of which two are as they should be: on the terminal, on the page, in each file."""

from __future__ import annotations

import csv
import html
import json
import re
from typing import Any

import jsonschema
import pytest
import yaml
from conftest import REPOSITORY
from reporthosts import LOST, PLACE, play

ATTACKER = "198.18.77.66"
HOSTILE = {
    "203.0.113.50": "<script>alert(1)</script><img src=x onerror=alert(1)>",
    "203.0.113.51": "{{ 7 * 7 }}{{ lookup('pipe', 'id') }}",
    "203.0.113.52": "=cmd()|' /C calc'!A0",
    "203.0.113.53": "\x1b[31mred\x1b]0;title\x07\r\nnext line | cell `code` [link](https://example.com)",
}
LISTED = ("203.0.113.128/25", "2001:db8:bad::/48")
FILES = {"index.html", "bans.json", "bans.csv", "bans.md", "proposals.yml"}


@pytest.fixture(scope="module")
def report(seen: Any) -> dict[str, Any]:
    """What bans.json says, of the second report."""
    assert seen.again.rc == 0
    found: dict[str, Any] = json.loads((PLACE / "bans.json").read_text(encoding="utf-8"))
    return found


def bans(report: dict[str, Any]) -> dict[str, Any]:
    return {ban["network"]: ban for ban in report["bans"]}


def page_rows() -> list[str]:
    """The rows of all tables of the page as somebody reads them."""
    page = (PLACE / "index.html").read_text(encoding="utf-8")
    rows = re.findall(r"<tr.*?</tr>", page, re.DOTALL)
    return [" ".join(html.unescape(re.sub(r"<[^>]*>", " ", row)).split()) for row in rows]


def test_hosts_in_trouble_are_no_error(seen: Any) -> None:
    assert (seen.report.rc, seen.again.rc) == (0, 0), seen.report.text


def test_report_has_its_files(report: dict[str, Any]) -> None:
    assert {path.name for path in PLACE.iterdir()} >= FILES
    assert {(PLACE / name).stat().st_mode & 0o777 for name in FILES} == {0o640}


def test_json_is_what_its_schema_says(report: dict[str, Any]) -> None:
    schema = json.loads((REPOSITORY / "docs/report-schema.json").read_text(encoding="utf-8"))
    assert [error.message for error in jsonschema.Draft202012Validator(schema).iter_errors(report)] == []


@pytest.mark.parametrize("address", [ATTACKER, "203.0.113.9"])
def test_one_address_on_many_hosts_is_one_row(seen: Any, report: dict[str, Any], address: str) -> None:
    """Whoever banned it: the watcher, a jail that asks the agent, a jail where there is no agent, an operator."""
    line = next(line.split() for line in seen.report.lines(address) if line.strip().startswith(address))
    assert line[1:4] == ["gate,", "web1,", "web2"]
    row = bans(report)[address]
    assert row["hosts"] == ["gate", "web1", "web2"]
    sources = {ATTACKER: ["fail2ban/sshd", "watcher/requests"], "203.0.113.9": ["fail2ban/sshd", "operator"]}
    assert row["sources"] == sources[address]
    assert len([row for row in page_rows() if row.startswith(address + " ")]) == 1


def test_a_reason_is_shown_although_fail2ban_keeps_none(seen: Any) -> None:
    assert "seen on every host" in seen.report.line("203.0.113.9 ")


def test_every_ban_of_every_host_is_there(operator: Any, report: dict[str, Any]) -> None:
    for name in ("web1", "gate"):
        held = {row["network"] for row in operator.ask(name, "bans", "--limit", "1000")["bans"]}
        assert held >= {ATTACKER, "203.0.113.9", *LISTED}
        assert {network for network, ban in bans(report).items() if name in ban["hosts"]} == held
    jail = operator.shell("web2", "fail2ban-client", "get", "sshd", "banned").stdout
    held = set(re.findall(r"[0-9.]{7,}", jail))
    assert held == {ATTACKER, "203.0.113.9"}
    assert {network for network, ban in bans(report).items() if "web2" in ban["hosts"]} == held


def test_figures(report: dict[str, Any]) -> None:
    summary = report["summary"]
    assert summary["hosts"] == 5
    assert summary["states"] == {"enforcing": 2, "fail2ban only": 1, "unprotected": 1, "unreachable": 1}
    assert summary["unreachable"] == ["lost"]
    assert summary["networks"] == len({ATTACKER, "203.0.113.9", *HOSTILE, *LISTED})
    assert summary["permanent"] == len(LISTED)
    assert summary["on_several_hosts"] == len({ATTACKER, "203.0.113.9", *LISTED})
    assert summary["by_host"] == {"gate": 4, "plain": 0, "web1": 8, "web2": 2}


def test_nothing_came_or_went_since_the_first_report(seen: Any, report: dict[str, Any]) -> None:
    assert (report["summary"]["since_last"]["new"], report["summary"]["since_last"]["gone"]) == (0, 0)
    assert ": 0 new, 0 gone" in seen.again.line("since ")


@pytest.mark.parametrize(
    ("name", "state", "why"),
    [
        ("lost", "unreachable", f"ssh: connect to host {LOST} port 22: "),
        ("plain", "unprotected", "no warden on this host"),
        ("web2", "fail2ban only", "no warden on this host"),
        ("web1", "enforcing", ""),
    ],
)
def test_each_host_has_a_clear_line(seen: Any, name: str, state: str, why: str) -> None:
    """In the table of the terminal, on the page, and in the text for chat if it is worth a look."""
    [line] = re.findall(rf"^ {{8}}{name} +{state} +[0-9?]+ .*", seen.report.text, re.MULTILINE)
    assert why in line
    [row] = [row for row in page_rows() if row.startswith(f"{name} {state}")]
    assert why in row
    told = [line for line in (PLACE / "bans.md").read_text().splitlines() if line.startswith(f"- `{name}`: {state}")]
    assert len(told) == (state in ("unreachable", "unprotected"))


def test_hostile_reasons_arrive_whole(report: dict[str, Any]) -> None:
    """No template ran and nothing was cut: that files show them harmlessly is worth something. Control characters are
    escapes already in the registry."""
    kept = {network: reason.encode("unicode_escape").decode("ascii") for network, reason in HOSTILE.items()}
    assert {network: bans(report)[network]["reason"] for network in HOSTILE} == kept


def test_ah23_hostile_reasons_are_harmless_on_the_terminal(seen: Any) -> None:
    assert seen.report.line("203.0.113.50 ").count("<script>alert(1)</script>") == 1
    assert f" {HOSTILE['203.0.113.51']} " in seen.report.line("203.0.113.51 ")
    assert "\\x1b[31mred\\x1b]0;title\\x07\\r\\nnext" in seen.report.line("203.0.113.53 ")
    assert not re.search("[\x00-\x09\x0b-\x1f\x7f]", seen.report.text + seen.audit.text)


@pytest.mark.parametrize("name", ["index.html", "audit.html"])
def test_hostile_reasons_are_harmless_on_the_page(seen: Any, name: str) -> None:
    page = (PLACE / name).read_text(encoding="utf-8")
    assert "<script>alert" not in page and "<img" not in page
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in page
    assert "{{ 7 * 7 }}{{ lookup(" in page
    assert not re.search("[\x00-\x09\x0b-\x1f\x7f]", page)


def test_hostile_reasons_are_harmless_in_a_spreadsheet(seen: Any) -> None:
    text = (PLACE / "bans.csv").read_text(encoding="utf-8")
    rows = {row["address"]: row for row in csv.DictReader(text.splitlines())}
    assert len(rows) == 8
    assert rows["203.0.113.52"]["reason"] == "'" + HOSTILE["203.0.113.52"]
    assert rows["203.0.113.9"]["hosts"] == "gate web1 web2"
    assert not re.search("[\x00-\x09\x0b-\x1f\x7f]", text)
    assert not [cell for row in rows.values() for cell in row.values() if cell.startswith(("=", "+", "-", "@"))]


def test_hostile_reasons_are_harmless_in_chat(seen: Any) -> None:
    text = (PLACE / "bans.md").read_text(encoding="utf-8")
    assert len([line for line in text.splitlines() if line.startswith("- `203.0.113.5")]) == len(HOSTILE)
    assert "<" not in text and "https://" not in text
    assert not re.search("[\x00-\x09\x0b-\x1f\x7f]", text)


def test_what_every_host_bans_is_proposed(seen: Any) -> None:
    proposed = yaml.safe_load((PLACE / "proposals.yml").read_text(encoding="utf-8"))["stockade_permanent_bans"]
    assert {one["network"] for one in proposed} == {ATTACKER, "203.0.113.9"}
    assert ATTACKER in seen.report.line("proposed for permanent bans: ")


def test_check_mode_shows_and_writes_nothing(operator: Any, tmp_path: Any) -> None:
    place = tmp_path / "report"
    run = play(operator, "report.yml", "--check", "--diff", "-l", "web1,web2", stockade_report_dir=str(place))
    assert run.rc == 0, run.text
    assert "web1, web2" in run.line("203.0.113.9 ")
    assert {name: counts["changed"] for name, counts in run.recap.items()} == {"web1": 0, "web2": 0}
    assert list(tmp_path.iterdir()) == []


def test_absent_removes_the_files_and_no_others(operator: Any, seen: Any, tmp_path: Any) -> None:
    for path in PLACE.iterdir():
        (tmp_path / path.name).touch()
    (tmp_path / "mine.txt").touch()
    run = play(operator, "report.yml", stockade_report_dir=str(tmp_path), stockade_report_state="absent")
    assert run.rc == 0, run.text
    assert {path.name for path in tmp_path.iterdir()} == {"audit-history", "mine.txt"}
    assert {counts["unreachable"] for counts in run.recap.values()} == {0}, "no host is asked"
