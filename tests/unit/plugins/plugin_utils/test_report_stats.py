# Copyright (c) 2026, stockade.fleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The summary that travels with a job: small and plain, whatever the report holds."""

from __future__ import annotations

import json
from typing import Any

from ansible_collections.stockade.fleet.plugins.plugin_utils._report_merge import merge
from ansible_collections.stockade.fleet.plugins.plugin_utils._report_stats import TOP, summary


def facts(*networks: str, source: str = "operator") -> dict[str, Any]:
    rows = [
        {"network": network, "source": source, "reason": "{{ 1 }}", "banned_at": 1_700_000_000, "expires_at": None}
        for network in networks
    ]
    return {"schema": 1, "bans": json.dumps(rows), "summary": {"bans": len(rows), "by_source": {source: len(rows)}}}


def test_figures_are_those_of_the_report() -> None:
    report = merge(
        {"web1": facts("192.0.2.1", "192.0.2.2"), "web2": facts("192.0.2.2"), "lost": None}, now=1_700_000_000
    )
    audit = {"summary": {"high": 1, "medium": 0}, "failed": ["lost"]}
    told = summary(report, audit, "https://reports.example.com/audit.html")
    assert {key: told[key] for key in ("hosts", "networks", "permanent", "on_several_hosts")} == {
        "hosts": 3,
        "networks": 2,
        "permanent": 2,
        "on_several_hosts": 1,
    }
    assert told["unreachable"] == ["lost"]
    assert told["by_source"] == {"operator": 2}
    assert [(row["network"], row["hosts"]) for row in told["top"]] == [("192.0.2.2", 2), ("192.0.2.1", 1)]
    assert told["audit"] == {"findings": {"high": 1, "medium": 0}, "failed": 1, "failed_hosts": ["lost"]}
    assert told["report_url"] == "https://reports.example.com/audit.html"
    assert "audit" not in summary(report)


def test_it_stays_small_and_carries_no_reasons() -> None:
    """AH23: what travels becomes a variable of the next job: no text of a log, nothing invisible, a few kilobytes."""
    many = {
        f"host{number}-{'x' * 200}": facts(
            *(f"198.18.{net}.{number % 250}" for net in range(200)), source=f"watcher/{number}-\x1b{'y' * 300}"
        )
        for number in range(300)
    }
    lost: dict[str, Any] = {f"lost{number}": None for number in range(300)}
    report = merge({**many, **lost}, now=1_700_000_000)
    audit = {"summary": {"high": 600}, "failed": list(many) + list(lost)}
    told = summary(report, audit)
    text = json.dumps(told)
    assert len(text) < 100_000
    assert "\\u001b" not in text and "{{" not in text
    assert [len(told[key]) for key in ("top", "by_source", "unreachable")] == [TOP] * 3
    assert told["audit"]["failed"] == 600 and len(told["audit"]["failed_hosts"]) == TOP
    assert told["hosts"] == 600
