# Copyright (c) 2026, stockade.fleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The templates' playbooks as AWX runs them: what a survey says becomes lists, and never a program.

Hosts are this machine over a local connection. What would change it runs in check mode.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest
import yaml
from conftest import Launch
from surveys import answers

needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="the module asks for root, and become is not for tests")
PLAYBOOKS = Path(__file__).resolve().parents[2] / "playbooks"
READ = "Read what is asked for, before any host is"
TEXT = "203.0.113.9, 198.51.100.0/24\r\n\r\n2001:db8::1 # seen\r\n  203.0.113.9"
ADDRESSES = [f"198.18.{number // 250}.{number % 250}" for number in range(1500)]
NETWORKS = ["203.0.113.9", "198.51.100.0/24", "2001:db8::1"]


def first_line_of(job: Any) -> str:
    """What a job that never began says, on one line."""
    return " ".join(job.stdout.split())


@pytest.mark.parametrize(
    ("name", "marked"),
    [
        ("stockade_addresses", True),
        ("stockade_addresses", False),
        ("stockade_hosts", False),
        ("stockade_reason", False),
        ("stockade_duration", False),
        ("stockade_on_refused", False),
    ],
)
def test_a_template_in_an_answer_runs_nothing(launch: Launch, tmp_path: Path, name: str, marked: bool) -> None:
    """Also where AWX is told to leave answers unmarked, and the core renders extra variables whenever they are used."""
    made = tmp_path / "made"
    hostile = "{{ lookup('pipe', 'touch " + str(made) + "') }}"
    told = {"stockade_addresses": "192.0.2.1", "stockade_hosts": "web", name: hostile}
    job = launch("ban.yml", told, "--check", jinja_in_answers=not marked)
    assert not made.exists()
    if name == "stockade_reason":
        # A reason is free text: it is carried as it is.
        assert job.results(READ)[0]["ansible_facts"]["__stockade_reason"] == hostile
        sent = [result["results"][0]["reason"] for result in job.results("Ban") if "results" in result]
        assert sent == [hostile] * len(sent)
    else:
        assert job.rc != 0
        assert not job.results("Ban")
        assert name in first_line_of(job)


@needs_root
def test_ban_bans_what_the_text_names(launch: Launch) -> None:
    """E41: in check mode, with what would change."""
    told = answers("ban", stockade_addresses=TEXT, stockade_reason="flood", stockade_hosts="all:!other")
    job = launch("ban.yml", told, "--check", "--diff")
    assert (job.status, job.rc) == ("successful", 0), job.stdout
    results = job.results("Ban")
    assert len(results) == 2
    for result in results:
        assert [row["network"] for row in result["results"]] == NETWORKS
        assert {(row["duration"], row["reason"], row["state"]) for row in result["results"]} == {
            ("1d", "flood", "banned")
        }


@pytest.mark.parametrize(
    ("playbook", "text", "said"),
    [
        (
            "ban",
            "192.0.2.1\nweb1.example.com",
            "stockade_addresses, line 2: web1.example.com: not an address or network",
        ),
        ("ban", "198.18.0.0/16", "stockade_addresses, line 1: 198.18.0.0/16: wider than /24"),
        ("whitelist", "2001:db8::/32", "stockade_addresses, line 1: 2001:db8::/32: wider than /48"),
        ("ban", "\n".join(ADDRESSES[:1001]), "stockade_addresses: 1001 networks, at most"),
    ],
)
def test_one_error_before_anything_is_done(launch: Launch, playbook: str, text: str, said: str) -> None:
    job = launch(f"{playbook}.yml", answers(playbook, stockade_addresses=text))
    assert job.status == "failed"
    assert len(job.failures()) == 1
    assert said in job.failures()[0]
    tasks = {event["event_data"].get("task") for event in job.events if event["event"].startswith("runner_on_")}
    assert tasks == {READ}


@pytest.mark.parametrize("path", sorted(PLAYBOOKS.glob("*.yml")), ids=lambda path: path.stem)
def test_every_playbook_takes_its_hosts_by_the_lookup(path: Path) -> None:
    plays = yaml.safe_load(path.read_text(encoding="utf-8"))
    wanted = "{{ lookup('stockade.fleet.survey', 'stockade_hosts', kind='hosts', default='all') }}"
    assert [play["hosts"] for play in plays] == [wanted] * len(plays)


def test_a_whole_survey_of_addresses_is_taken(launch: Launch) -> None:
    job = launch("ban.yml", answers("ban", stockade_addresses="\n".join(ADDRESSES[:1000])), "--check")
    assert len(job.results(READ)[0]["ansible_facts"]["__stockade_addresses"]) == 1000


@pytest.mark.parametrize(
    ("playbook", "hosts"),
    [("harden", "localhost"), ("ban", "localhost"), ("ban", "web9"), ("ban", "@hosts")],
)
def test_hosts_are_those_of_the_inventory(launch: Launch, playbook: str, hosts: str) -> None:
    """The container that runs the job is never one of the hosts, and a slip is no job that does nothing."""
    job = launch(f"{playbook}.yml", {"stockade_hosts": hosts, "stockade_addresses": "192.0.2.1"})
    assert job.rc != 0
    assert f"stockade_hosts: {hosts}: no" in first_line_of(job)
    assert not [event for event in job.events if event["event"].startswith("runner_on_")]


@needs_root
def test_unban_lifts_what_the_text_names_however_wide(launch: Launch) -> None:
    job = launch("unban.yml", answers("unban", stockade_addresses=TEXT + "\n198.18.0.0/15"), "--check")
    assert job.rc == 0, job.stdout
    assert job.results(READ)[0]["ansible_facts"]["__stockade_addresses"] == [*NETWORKS, "198.18.0.0/15"]
    assert len(job.results("Unban")) == 3


@needs_root
def test_whitelist_adds_for_a_while_and_takes_out(launch: Launch) -> None:
    told = answers("whitelist", stockade_addresses=TEXT, stockade_duration="7d", stockade_reason="customer: {{ x }}")
    job = launch("whitelist.yml", told, "--check", "--diff")
    assert job.rc == 0, job.stdout
    assert [result["added"] for result in job.results("Change the whitelist")] == [NETWORKS] * 3
    entries = job.results("Change the whitelist")[0]["invocation"]["module_args"]["entries"]
    wanted = {"duration": "7d", "comment": "customer: {{ x }}"}
    assert entries == [{"network": network, **wanted} for network in NETWORKS]

    job = launch("whitelist.yml", {**told, "stockade_state": "absent"}, "--check")
    assert job.rc == 0, job.stdout
    assert job.results("Change the whitelist")[0]["invocation"]["module_args"]["state"] == "absent"


def test_every_role_of_harden_is_in_the_collection_that_awx_installs(launch: Launch) -> None:
    """Its tasks are listed and not run: it would harden this machine."""
    job = launch("harden.yml", answers("harden", stockade_hosts="web"), "--list-tasks")
    assert job.rc == 0, job.stdout
    for role in ("agent", "bans", "fail2ban", "ssh", "watcher"):
        assert f"stockade.fleet.{role} : " in job.stdout


@pytest.mark.parametrize("playbook", ["report", "audit"])
def test_the_summary_travels_with_the_job(launch: Launch, tmp_path: Path, playbook: str) -> None:
    """Figures, and where the page is, are the job's artifacts; the page is where others find it; nothing is changed."""
    published = tmp_path / "www"
    published.mkdir()
    template = {
        "stockade_report_publish": "copy",
        "stockade_report_publish_host": "db1",
        "stockade_report_publish_dir": str(published),
        "stockade_report_url": "https://reports.example.com/stockade/",
    }
    told = answers(playbook, stockade_hosts="web")
    if playbook == "audit":
        told = answers("audit", stockade_hosts="web", stockade_audit_fail_on="none")
    job = launch(f"{playbook}.yml", told, template_vars=template)
    assert job.rc == 0, job.stdout
    figures = job.artifacts["stockade_report"]
    page = {"report": "index.html", "audit": "audit.html"}[playbook]
    assert figures["hosts"] == 2
    assert figures["report_url"] == f"https://reports.example.com/stockade/{page}"
    assert ("audit" in figures) == (playbook == "audit")
    assert figures["report_url"] in job.stdout
    assert (published / page).read_text(encoding="utf-8").startswith("<!")
    assert {path.name.startswith("audit.") for path in published.iterdir()} == {playbook == "audit"}
    changed = [event for event in job.events if event["event_data"].get("res", {}).get("changed")]
    assert not [event["event_data"]["task"] for event in changed]


def test_a_failed_audit_has_its_figures(launch: Launch) -> None:
    """No machine is without any finding: the job fails, and its summary is there."""
    job = launch("audit.yml", answers("audit", stockade_audit_fail_on="info"))
    assert job.rc != 0
    assert "findings of severity info or graver" in " ".join(job.failures())
    assert job.artifacts["stockade_report"]["audit"]["failed"] == 3


def test_a_program_publishes(launch: Launch, tmp_path: Path) -> None:
    """An argument list, never a shell: what stands in it is not interpreted."""
    program = tmp_path / "publish"
    program.write_text('#!/bin/sh\npwd\necho "$STOCKADE_REPORT_FILES"\nprintf "%s\\n" "$@"\n', encoding="utf-8")
    program.chmod(0o755)
    template = {
        "stockade_report_publish": "command",
        "stockade_report_publish_command": [str(program), "a b", "$(id)", "; id"],
    }
    job = launch("report.yml", answers("report"), template_vars=template)
    assert job.rc == 0, job.stdout
    result = job.results("Run the program that publishes the files")[0]
    folder, files, *arguments = result["stdout_lines"]
    assert folder == str(job.directory / "project" / "report")
    assert "index.html" in files.split()
    assert arguments == ["a b", "$(id)", "; id"]


@pytest.mark.parametrize("wrong", [{"stockade_report_publish": "copi"}, {"stockade_report_publish": "copy"}])
def test_what_publishing_lacks_is_said(launch: Launch, wrong: dict[str, str]) -> None:
    job = launch("report.yml", answers("report", stockade_hosts="web1"), template_vars=wrong)
    assert job.status == "failed"
    assert "stockade_report_publish is cop" in " ".join(job.failures())


def test_the_project_brings_its_own_collection(project: tuple[str, Path]) -> None:
    """collections/requirements.yml installs the checkout itself, and nothing of it that a run does not need."""
    _core, directory = project
    installed = directory / "requirements_collections" / "ansible_collections" / "stockade" / "fleet"
    kept = {"meta", "playbooks", "plugins", "roles", "LICENSE", "README.md", "CHANGELOG.md"}
    assert {path.name for path in installed.iterdir()} - kept == {"FILES.json", "MANIFEST.json"}
    assert (installed / "roles" / "agent" / "files" / "src" / "bin" / "stockade").is_file()


def test_nothing_of_the_caller_is_seen(launch: Launch, monkeypatch: pytest.MonkeyPatch) -> None:
    """Home directory and environment are the job's own."""
    monkeypatch.setenv("ANSIBLE_CONFIG", "/nowhere/ansible.cfg")
    monkeypatch.setenv("ANSIBLE_COLLECTIONS_PATH", "/nowhere")
    job = launch("ban.yml", answers("ban", stockade_addresses="192.0.2.1"), "--syntax-check", "-vv")
    assert job.rc == 0, job.stdout
    assert f"config file = {job.directory}/project/ansible.cfg" in job.stdout
    assert "/nowhere" not in job.stdout
