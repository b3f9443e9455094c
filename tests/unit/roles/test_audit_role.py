# Copyright (c) 2026, stockade.fleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The playbook audit.yml as ansible-playbook runs it: what it says, what it writes, and its exit status."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml
from controllerlab import HEALTHY, NO_AGENT, ROLE, Controller, answers, words


@pytest.fixture
def controller(tmp_path: Path) -> Controller:
    return Controller(tmp_path)


def test_wrong_rule_and_waiver_end_the_run_before_any_host_is_asked(controller: Controller) -> None:
    controller.inventory(web1=answers(), web2=answers())
    rule = {"id": "site.mine", "severity": "grave", "title": "t", "query": "jails[?name"}
    waiver = {"rule": "agent.absent", "expires": "2999-01-01"}
    done = controller.audit(stockade_audit_rules=[rule], stockade_audit_waivers=[waiver])
    assert done.returncode == 2
    said = words(done)
    assert "cannot audit: rule site.mine: severity grave is not one of high, medium, low, info; " in said
    assert "rule site.mine: its query is not JMESPath: " in said
    assert "waiver 1 (agent.absent): reason is missing" in said
    assert not controller.asked.exists()
    assert not (controller.place / "report").exists()


def test_missing_jmespath_is_one_clear_error(controller: Controller, monkeypatch: pytest.MonkeyPatch) -> None:
    controller.inventory(web1=answers())
    without = controller.place / "without"
    without.mkdir()
    (without / "jmespath.py").write_text("raise ImportError(__name__)\n", encoding="utf-8")
    monkeypatch.setenv("PYTHONPATH", str(without))
    done = controller.audit()
    assert done.returncode == 2
    assert "the Python library jmespath is missing on the controller: install it" in words(done)
    assert not controller.asked.exists()


def test_a36_e7_each_host_has_its_line_and_the_status_is_right(controller: Controller) -> None:
    """A36, E7: jails are numbers and lists that rules can look at, on every host."""
    broken = {"available": False, "reason": "fail2ban is of no use here: database disk image is malformed"}
    jail = {**HEALTHY["jails"][0], "currently_banned": 2, "banned": ["203.0.113.9", "2001:db8::1"]}
    rule = {
        "id": "site.many-banned",
        "severity": "low",
        "title": "a jail holds many",
        "query": "jails[?currently_banned > `1`].{jail: name, banned: banned}",
    }
    controller.inventory(
        web1=answers(jails=[jail]),
        bare=answers(warden=NO_AGENT),
        lost={},
        rotten=answers(fail2ban=broken, jails=[]),
        odd={"ban_facts": {"msg": "needs root: add -b (become)", "failed": True}, "ssh_info": {"msg": "no sshd"}},
    )
    done = controller.audit(stockade_audit_rules=[rule])
    assert done.returncode == 2
    said = words(done)
    assert "HIGH agent.absent no agent enforces bans on this host: no warden on this host" in said
    assert "HIGH audit.no-facts the host was not audited: unreachable: no route to host" in said
    assert "HIGH audit.no-facts the host was not audited: failed: needs root: add -b (become)" in said
    assert "HIGH fail2ban.silent fail2ban should run and does not answer: fail2ban is of no use here: database" in said
    assert "LOW site.many-banned a jail holds many: jail: sshd, banned: 203.0.113.9; 2001:db8::1" in said
    assert "bare, lost, odd, rotten: findings of severity high or graver" in said
    assert controller.result()["failed"] == ["bare", "lost", "odd", "rotten"]
    assert "database disk image is malformed" in (controller.place / "report" / "audit.html").read_text("utf-8")
    recap = {line.split()[0]: line for line in done.stdout.splitlines() if "changed=" in line}
    assert all("changed=0" in line for line in recap.values())

    quiet = controller.audit(stockade_audit_rules=[rule], stockade_audit_fail_on="none")
    assert quiet.returncode == 0
    assert controller.result()["drift"]["new"] == 0


def test_waived_for_a_time(controller: Controller) -> None:
    controller.inventory(web1=answers(warden=NO_AGENT))
    waiver = {"rule": "agent.absent", "hosts": "web", "reason": "moves on {{ 6 * 7 }}", "expires": "2999-12-31"}
    (controller.place / "site.yml").write_text(
        "stockade_audit_waivers: [{rule: agent.absent, hosts: web, reason: moves soon, expires: 2999-12-31}]",
        encoding="utf-8",
    )
    done = controller.audit("-e", "@site.yml")
    assert done.returncode == 0, done.stdout
    assert "waived agent.absent no agent enforces bans on this host: no warden on this host" in words(done)
    assert "until 2999-12-31: moves soon" in words(done)

    over = controller.audit(stockade_audit_waivers=[{**waiver, "reason": "moves soon", "expires": "2026-01-01"}])
    assert over.returncode == 2
    assert "LOW audit.waiver-expired a waiver is over" in words(over)
    assert controller.result()["summary"] == {"high": 1, "medium": 0, "low": 1, "info": 1}


def test_drift_and_history(controller: Controller) -> None:
    controller.inventory(web1=answers(warden=NO_AGENT), web2=answers())
    settings: dict[str, Any] = {"stockade_audit_fail_on": "none", "stockade_audit_skip": ["no-banner"]}
    assert controller.audit(**settings).returncode == 0
    assert controller.result()["drift"] is None
    (first,) = controller.history()
    assert json.loads(first.read_text("utf-8")) == controller.result()
    assert first.stat().st_mode & 0o777 == 0o640 and first.parent.stat().st_mode & 0o777 == 0o750

    for number in range(120):
        copy = first.with_name("audit-2025-01-01T%06dZ.json" % number)
        copy.write_text("{}", encoding="utf-8")
    first.rename(first.with_name("audit-2026-01-01T000000Z.json"))
    controller.inventory(web1=answers(), web2=answers(jails=[]))
    done = controller.audit(**settings)
    since = json.loads(controller.history()[-2].read_text("utf-8"))["generated_at"]
    assert "gone agent.absent no agent enforces bans on this host: no warden on this host" in words(done)
    assert "since the audit of %s: 2 new, 1 gone, 0 as before" % since in words(done)
    kept = controller.history()
    assert len(kept) == 100
    assert json.loads(kept[-1].read_text("utf-8")) == controller.result()

    nowhere = controller.audit(**settings, stockade_audit_history_dir="")
    assert nowhere.returncode == 0 and controller.result()["drift"] is None
    assert controller.history() == kept


def test_e41_check_mode_shows_what_is_found_and_writes_nothing(controller: Controller) -> None:
    """E41: look first. The status is that of a real audit."""
    controller.inventory(web1=answers(warden=NO_AGENT))
    done = controller.audit("--check", "--diff")
    assert done.returncode == 2
    assert "HIGH agent.absent" in words(done)
    assert "web1: findings of severity high or graver" in words(done)
    assert not (controller.place / "report").exists()


def test_rule_of_the_site_takes_the_place_of_one_that_is_skipped(controller: Controller) -> None:
    controller.inventory(web1=answers(warden=NO_AGENT))
    rule = {"id": "agent.absent", "severity": "info", "title": "by choice", "query": "warden.installed == `false`"}
    assert "rule agent.absent: two rules have this id" in words(controller.audit(stockade_audit_rules=[rule]))
    done = controller.audit(stockade_audit_rules=[rule], stockade_audit_skip=["agent.absent", "no-banner"])
    assert done.returncode == 0
    assert controller.result()["summary"] == {"high": 0, "medium": 0, "low": 0, "info": 1}


def test_text_of_hosts_is_never_a_template(controller: Controller) -> None:
    evil = "{{ lookup('pipe', 'touch ran') }}"
    controller.inventory(web1=answers(warden={**NO_AGENT, "reason": "EVIL"}))
    # In a module's answer nothing is a template; in an inventory it takes a word to say so.
    inventory = controller.place / "inventory.yml"
    text = inventory.read_text("utf-8").replace("EVIL", f"!unsafe {json.dumps(evil)}")
    inventory.write_text(text, encoding="utf-8")
    assert controller.audit().returncode == 2
    (host,) = controller.result()["hosts"]
    assert host["findings"][0]["evidence"] == evil
    assert not (controller.place / "ran").exists()


def test_last_audit_is_the_last_one_also_after_the_clock_went_back(controller: Controller) -> None:
    controller.inventory(web1=answers())
    history = controller.place / "report" / "audit-history"
    history.mkdir(parents=True)
    future = history / "audit-2999-01-01T000000Z.json"
    future.touch()
    (history / "audit-of-my-own.json").write_text("mine", encoding="utf-8")
    assert controller.audit().returncode == 0
    assert [one["id"] for one in controller.result()["fleet"]] == ["audit.no-history"]  # empty is not readable
    first = controller.result()
    assert json.loads(future.read_text("utf-8")) == first
    assert controller.audit().returncode == 0
    assert controller.result()["drift"] == {"since": first["generated_at"], "new": 0, "gone": 0, "unchanged": 1}
    assert [path.name for path in controller.history()] == [future.name, "audit-of-my-own.json"]


def test_variable_that_cannot_be_rendered_is_no_end_of_the_audit(controller: Controller) -> None:
    unknown = "{{ only_known_in_its_play }}"
    files = [{"name": unknown, "src": "scanners.txt"}]
    controller.inventory(
        web1={**answers(), "stockade_bans_files": files},
        web2={**answers(), "stockade_bans_state": unknown},
        web3={**answers(), "stockade_permanent_bans": unknown},
    )
    assert controller.audit().returncode == 0
    assert [host["state"] for host in controller.result()["hosts"]] == ["audited"] * 3


def test_audit_and_report_of_one_run_publish_each_its_own(controller: Controller) -> None:
    """And of a report what was written now, not what an earlier one left."""
    controller.inventory(web1=answers())
    folder = controller.place / "report"
    folder.mkdir()
    (folder / "bans.csv").write_text("of yesterday", encoding="utf-8")
    done = controller.audit(
        playbooks=("stockade.fleet.audit", "stockade.fleet.report"),
        stockade_report_publish="command",
        stockade_report_publish_command=["sh", "-c", "echo $STOCKADE_REPORT_FILES >> ../published"],
        stockade_report_formats=["html", "markdown"],
        stockade_report_url="https://reports.example.com/",
    )
    assert done.returncode == 0, done.stdout
    published = (controller.place / "published").read_text("utf-8").splitlines()
    assert published == ["audit.html audit.json", "index.html bans.md"]
    said = words(done)
    assert said.index("reports.example.com/audit.html") < said.index("reports.example.com/index.html")


def test_host_whose_name_is_its_address_is_never_proposed(controller: Controller) -> None:
    rows = [
        {"network": network, "source": "operator", "reason": "", "banned_at": 1, "expires_at": 4_000_000_000}
        for network in ("203.0.113.7", "203.0.113.8", "203.0.113.9")
    ]
    host = answers(bans=json.dumps(rows))
    hosts = {"web1": {**host, "ansible_host": "203.0.113.8"}, "web2": host, "203.0.113.7": host}
    controller.inventory(**hosts)
    assert controller.audit(playbooks=("stockade.fleet.report",)).returncode == 0
    proposals = yaml.safe_load((controller.place / "report" / "proposals.yml").read_text("utf-8"))
    assert [one["network"] for one in proposals["stockade_permanent_bans"]] == ["203.0.113.9"]


def test_host_that_was_taken_over_sets_nothing_on_the_controller(controller: Controller) -> None:
    (controller.place / "ansible.cfg").write_text("[defaults]\nshow_custom_stats = true\n", encoding="utf-8")
    controller.take_over()
    controller.inventory(web1={"ansible_python_interpreter": sys.executable})
    settings: dict[str, Any] = {"stockade_audit_fail_on": "none"}
    done = controller.audit(playbooks=("stockade.fleet.report", "stockade.fleet.audit"), **settings)
    assert done.returncode == 0, done.stdout
    assert controller.result()["waived"] == 0
    assert not (controller.place / "report" / "owned").exists()
    assert "stockade_report:" in done.stdout
    assert "forged" not in done.stdout


def test_audit_and_report_ask_for_the_same_time() -> None:
    """Both pages have the same charts."""
    spans = []
    for name in ("audit", "report"):
        tasks = yaml.safe_load((ROLE / "tasks" / f"{name}.yml").read_text("utf-8"))
        spans += [task["stockade.fleet.ban_facts"].get("since") for task in tasks if "stockade.fleet.ban_facts" in task]
    assert spans == ["30d", "30d"]


def test_every_option_is_the_same_in_defaults_and_specs() -> None:
    options = yaml.safe_load((ROLE / "meta" / "argument_specs.yml").read_text("utf-8"))["argument_specs"]
    defaults = yaml.safe_load((ROLE / "defaults" / "main.yml").read_text("utf-8"))
    audit = {name: option for name, option in options["audit"]["options"].items() if name.startswith("stockade_audit")}
    assert {name: option["default"] for name, option in audit.items()} == {
        name: value for name, value in defaults.items() if name.startswith("stockade_audit")
    }
