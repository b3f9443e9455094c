# Copyright (c) 2026, stockade.fleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What docs/audit.md shows is right: rules, queries, waivers, variables, the shape of the JSON."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import yaml

from ansible_collections.stockade.fleet.plugins.plugin_utils._report_audit import audit, problems

ROOT = Path(__file__).resolve().parents[3]
GUIDE = (ROOT / "docs" / "audit.md").read_text(encoding="utf-8")
SPECS = yaml.safe_load((ROOT / "roles/report/meta/argument_specs.yml").read_text("utf-8"))["argument_specs"]["audit"]
BLOCKS = re.findall(r"^```(\w+)\n(.*?)^```$", GUIDE, re.MULTILINE | re.DOTALL)


def shown(key: str) -> list[Any]:
    """The lists under that key of all YAML blocks, one after the other."""
    blocks = [yaml.safe_load(text) for kind, text in BLOCKS if kind == "yaml" and not text.startswith("#")]
    return [item for block in blocks for item in block.get(key, [])]


def test_rules_and_waivers_are_right() -> None:
    rules, waivers = shown("stockade_audit_rules"), shown("stockade_audit_waivers")
    assert len(rules) == 2 and len(waivers) == 1
    assert problems(rules, waivers) == []


def test_queries_are_right_and_find_what_they_say() -> None:
    (text,) = [text for kind, text in BLOCKS if kind == "yaml" and text.startswith("#")]
    queries = [yaml.safe_load(line)["query"] for line in text.splitlines() if not line.startswith("#")]
    bans = [
        {"network": "203.0.113.9", "source": "manual", "expires_at": None},
        {"network": "203.0.113.10", "source": "list/site", "expires_at": None},
        {"network": "203.0.113.11", "source": "manual", "expires_at": 1},
    ]
    facts = {"schema": 1, "services": [{"name": "a", "restarts": 6}, {"name": "b", "restarts": 5}], "bans": bans}
    answer = {"ports": [22], "findings": [{"cis": "5.1.20", "evidence": "PermitRootLogin yes", "id": "r"}]}
    names = ["restarts", "endless", "port", "cis"]
    rules = [
        {"id": name, "severity": "low", "title": "t", "query": query}
        for name, query in zip(names, queries, strict=True)
    ]
    result = audit(
        {"db1": facts},
        ssh={"db1": {"ssh": answer}},
        rules=rules,
        fail_on="none",
        now=0,
        hosts={"db1": {"group_names": ["db"]}},
        skip=["r"],
    )
    assert {one["id"]: one["evidence"] for one in result["hosts"][0]["findings"]} == {
        "cis": "PermitRootLogin yes",
        "endless": "network: 203.0.113.9, source: manual",
        "port": "",
        "restarts": "a",
    }


def test_every_variable_is_in_the_table() -> None:
    assert set(re.findall(r"^\| `(stockade_\w+)` \| ", GUIDE, re.MULTILINE)) == set(SPECS["options"])


def test_shape_of_the_json() -> None:
    (text,) = [text for kind, text in BLOCKS if kind == "json"]
    told = json.loads(text)
    waiver = {"rule": "b", "reason": "known", "expires": "2027-01-31"}
    rules = [{"id": name, "severity": "low", "title": "t", "query": "x." + name} for name in "ab"]

    def run(previous: str = "", **facts: Any) -> dict[str, Any]:
        results = {"web1": {"schema": 1, "x": facts}}
        return audit(results, ssh=None, rules=rules, fail_on="low", now=0, waivers=[waiver], previous=previous)

    real = run(json.dumps(run(a="old", b="c")), a="new", b="c")
    assert list(told) == list(real) and list(told["drift"]) == list(real["drift"])
    assert list(told["summary"]) == list(real["summary"])
    (host,), (shown_host,) = real["hosts"], told["hosts"]
    assert list(host) == ["name", "state", "findings", "waived", "gone"] == list(shown_host)
    for kind in ("findings", "waived", "gone"):
        ((one,), (shown_one,)) = host[kind], shown_host[kind]
        assert set(one) == set(shown_one), kind
        assert one["change"] == shown_one["change"]
