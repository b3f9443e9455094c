# Copyright (c) 2026, stockade.fleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Answers of a healthy host, and ways to change them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml

from ansible_collections.stockade.fleet.plugins.plugin_utils._report_audit import audit

NOW = 1_795_173_209  # 2026-11-20 11:13:29 UTC
ROLE = Path(__file__).resolve().parents[4] / "roles" / "report"
RULES = [rule for path in sorted(ROLE.glob("files/rules/*.yml")) for rule in yaml.safe_load(path.read_text("utf-8"))]
RULE = {"id": "x.y", "severity": "low", "title": "t", "query": "services[].name"}


def service(name: str, **more: Any) -> dict[str, Any]:
    return {
        "name": name,
        "load": "loaded",
        "active": "active",
        "enabled": "enabled",
        "failed": False,
        "drop_ins": [],
        **more,
    }


def warden(**more: Any) -> dict[str, Any]:
    status = {"state": "enforcing", "problems": [], "warnings": []}
    return {"installed": True, "available": True, "reason": "", "status": status, **more}


def watcher(**status: Any) -> dict[str, Any]:
    rules = [{"name": "logins", "type": "failures", "observe": False}]
    return {
        "available": True,
        "reason": "",
        "status": {
            "state": "watching",
            "problems": [],
            "dropped": 0,
            "late": 0,
            "events_dropped": 0,
            "rules": rules,
            **status,
        },
    }


def healthy(**more: Any) -> dict[str, Any]:
    """What ban_facts answers on a host where all is well."""
    units = ("stockade-warden.service", "stockade-warden.socket", "stockade-watcher.service", "fail2ban.service")
    facts = {
        "schema": 1,
        "collected_at": NOW,
        "bans": "[]",
        "whitelist": '[{"network":"198.51.100.0/24","list":"site"}]',
        "truncated": False,
        "summary": {"bans": 0, "by_source": {}, "complete": True},
        "warden": warden(),
        "fail2ban": {"available": True, "reason": "", "version": "1.1.0", "database": "/f2b", "database_problem": ""},
        "jails": [{"name": "sshd", "logpaths": [], "journalmatches": ["_SYSTEMD_UNIT=ssh.service"]}],
        "services": [service(name) for name in units],
        "files": [],
        "watcher": watcher(),
        **more,
    }
    return {"ansible_facts": {"stockade": facts}}


def sshd(**more: Any) -> dict[str, Any]:
    """What ssh_info answers where all is well."""
    connection = {"user": "operator", "address": "198.51.100.7"}
    return {
        "ssh": {"listener": "service", "offered": {"ciphers": ["a"]}, "connection": connection, "findings": [], **more}
    }


def judged(facts: Any, rules: Any = None, *, ssh: Any = None, **options: Any) -> dict[str, Any]:
    """The audit of the host web1 alone."""
    options = {"fail_on": "high", "now": NOW, **options}
    answers = None if ssh is None else {"web1": ssh}
    return audit({"web1": facts}, ssh=answers, rules=RULES if rules is None else rules, **options)


def found(facts: Any, rules: Any = None, **options: Any) -> list[tuple[str, str, str]]:
    """Severity, id and evidence of what counts of that host."""
    (host,) = judged(facts, rules, **options)["hosts"]
    return [(one["severity"], one["id"], one["evidence"]) for one in host["findings"]]
