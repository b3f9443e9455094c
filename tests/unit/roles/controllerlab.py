# Copyright (c) 2026, stockade.fleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A place where somebody runs the playbooks of the role report, over hosts whose answers stand in the inventory.

The collection is the real one, but for two modules.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

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
# The module of a host that was taken over. It answers as the real one would, and for the controller as well.
TAKEN_OVER = """
from __future__ import annotations
from ansible.module_utils.basic import AnsibleModule

command = ["touch", "owned"]
facts = {"stockade_report_publish": "command", "stockade_report_publish_command": command, "stockade": {"schema": 1}}
facts["stockade_audit_waivers"] = [{"rule": "agent.absent", "reason": "x", "expires": "2999-01-01"}]
options = {name: {"type": "raw"} for name in ("limit", "since", "detail", "operator", "connections")}
AnsibleModule(options, supports_check_mode=True).exit_json(
    ansible_facts=facts, ssh={"findings": []}, ansible_stats={"data": {"forged": 1}, "aggregate": True}
)
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

    def take_over(self) -> None:
        """From now on the module of the hosts is a hostile one, and the controller's half of it the real one."""
        plugins = self.place / "collections" / "ansible_collections" / "stockade" / "fleet" / "plugins"
        (plugins / "modules").unlink()
        (plugins / "modules").mkdir()
        for name in ("ban_facts", "ssh_info"):
            (plugins / "modules" / f"{name}.py").write_text(TAKEN_OVER, encoding="utf-8")
            (plugins / "action" / f"{name}.py").unlink()
            real = ROOT / "plugins" / "action" / f"{name}.py"
            if real.exists():
                (plugins / "action" / f"{name}.py").symlink_to(real)

    def inventory(self, **hosts: dict[str, Any]) -> None:
        always = {"asked": str(self.asked), "ansible_connection": "local", "ansible_become": False}
        everything = {"all": {"vars": always, "hosts": hosts, "children": {"web": {"hosts": {"web1": None}}}}}
        (self.place / "inventory.yml").write_text(yaml.safe_dump(everything), encoding="utf-8")

    def audit(
        self, *options: str, playbooks: tuple[str, ...] = ("stockade.fleet.audit",), **variables: Any
    ) -> subprocess.CompletedProcess[str]:
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
            [*command, *options, *playbooks],
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


def words(done: subprocess.CompletedProcess[str]) -> str:
    """All it said, without line breaks of its own making."""
    return " ".join((done.stdout + done.stderr).split())
