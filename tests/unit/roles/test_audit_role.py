# Copyright (c) 2026, stockade.fleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The playbook audit.yml as ansible-playbook runs it: what it says, what it writes, and its exit status.

The collection is the real one, but for two modules: what hosts answer stands in the inventory.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[3]
ROLE = ROOT / "roles" / "report"
# Answers with the host's variable of its name; a host without one is not reached.
CANNED = """
from __future__ import annotations
from ansible.errors import AnsibleConnectionFailure
from ansible.plugins.action import ActionBase


class ActionModule(ActionBase):
    _supports_check_mode = True

    def run(self, tmp=None, task_vars=None):
        open(task_vars["asked"], "a").write("{name}\\n")
        if "{name}" not in task_vars:
            raise AnsibleConnectionFailure("no route to host")
        return dict(self._templar.template(task_vars["{name}"]), changed=False)
"""
HEALTHY: dict[str, Any] = {
    "schema": 1,
    "bans": "[]",
    "whitelist": "[]",
    "truncated": False,
    "summary": {"bans": 0, "by_source": {}, "complete": True},
    "warden": {"installed": True, "available": True, "reason": "", "status": {"state": "enforcing"}},
    "fail2ban": {"available": True, "reason": "", "version": "1.1.0"},
    "jails": [{"name": "sshd", "logpaths": ["/var/log/auth.log"], "journalmatches": []}],
    "services": [{"name": "fail2ban.service", "active": "active", "enabled": "enabled", "failed": False}],
    "watcher": {"available": True, "reason": "", "status": {"state": "watching", "problems": [], "rules": []}},
}
NO_AGENT = {"installed": False, "available": False, "reason": "no warden on this host", "status": {}}


def answers(**more: Any) -> dict[str, Any]:
    """Variables of a host that answers so."""
    findings = [{"id": "no-banner", "severity": "info", "title": "no banner", "evidence": "Banner none"}]
    facts = {**HEALTHY, **more}
    return {"ban_facts": {"ansible_facts": {"stockade": facts}}, "ssh_info": {"ssh": {"findings": findings}}}


class Controller:
    """A directory in which somebody works, with an inventory and a collection."""

    def __init__(self, place: Path) -> None:
        self.place = place
        self.asked = place / "asked"
        (place / "ansible.cfg").write_text("[defaults]\n", encoding="utf-8")
        collection = place / "collections" / "ansible_collections" / "stockade" / "fleet"
        (collection / "plugins" / "action").mkdir(parents=True)
        for entry in ("galaxy.yml", "meta", "roles", "playbooks"):
            (collection / entry).symlink_to(ROOT / entry)
        for entry in ("doc_fragments", "filter", "lookup", "module_utils", "modules", "plugin_utils"):
            (collection / "plugins" / entry).symlink_to(ROOT / "plugins" / entry)
        for name in ("ban_facts", "ssh_info"):
            code = CANNED.replace("{name}", name)
            (collection / "plugins" / "action" / f"{name}.py").write_text(code, encoding="utf-8")

    def inventory(self, **hosts: dict[str, Any]) -> None:
        always = {"asked": str(self.asked), "ansible_connection": "local", "ansible_become": False}
        everything = {"all": {"vars": always, "hosts": hosts, "children": {"web": {"hosts": {"web1": None}}}}}
        (self.place / "inventory.yml").write_text(yaml.safe_dump(everything), encoding="utf-8")

    def audit(self, *options: str, **variables: Any) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "ansible.cli.playbook", "-i", "inventory.yml", "-e", json.dumps(variables)]
        known = {key: value for key, value in os.environ.items() if not key.startswith("ANSIBLE_")}
        settings = {
            "ANSIBLE_COLLECTIONS_PATH": str(self.place / "collections"),
            "ANSIBLE_CONFIG": str(self.place / "ansible.cfg"),
            "ANSIBLE_CALLBACK_RESULT_FORMAT": "yaml",
            "ANSIBLE_NOCOLOR": "1",
            "ANSIBLE_HOME": str(self.place / "home"),
            "COLUMNS": "200",
        }
        self.asked.unlink(missing_ok=True)
        return subprocess.run(
            [*command, *options, "stockade.fleet.audit"],
            cwd=self.place,
            env={**known, **settings},
            capture_output=True,
            text=True,
            check=False,
            timeout=120,
        )

    def result(self) -> Any:
        return json.loads((self.place / "report" / "audit.json").read_text(encoding="utf-8"))

    def history(self) -> list[Path]:
        return sorted((self.place / "report" / "audit-history").glob("*"))


@pytest.fixture
def controller(tmp_path: Path) -> Controller:
    return Controller(tmp_path)


def words(done: subprocess.CompletedProcess[str]) -> str:
    """All it said, without line breaks of its own making."""
    return " ".join((done.stdout + done.stderr).split())


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


def test_every_option_is_the_same_in_defaults_and_specs() -> None:
    options = yaml.safe_load((ROLE / "meta" / "argument_specs.yml").read_text("utf-8"))["argument_specs"]
    defaults = yaml.safe_load((ROLE / "defaults" / "main.yml").read_text("utf-8"))
    audit = {name: option for name, option in options["audit"]["options"].items() if name.startswith("stockade_audit")}
    assert {name: option["default"] for name, option in audit.items()} == {
        name: value for name, value in defaults.items() if name.startswith("stockade_audit")
    }
