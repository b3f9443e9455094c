# Copyright (c) 2026, stockade.fleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Report and audit of the same hosts as jobs of AWX: their figures are artifacts, and an answer is never a program."""

from __future__ import annotations

import os
import shutil
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from conftest import REPOSITORY
from reporthosts import REACHABLE, inventory

sys.path.insert(0, str(REPOSITORY / "tests" / "awx"))

import runner
from surveys import answers

CORE = os.environ.get("CORE_MAIN", "2.19")
Launch = Callable[..., runner.Job]


@pytest.fixture(scope="module")
def launch() -> Iterator[Launch]:
    assert not runner.why_not(CORE)
    hosts = inventory()
    # A short path: ssh puts a socket below the job's home directory.
    directory = Path(tempfile.mkdtemp(prefix="job-"))

    def launch(playbook: str, told: dict[str, Any], *arguments: str, **options: Any) -> runner.Job:
        return runner.run(playbook, hosts, told, CORE, directory=directory, arguments=arguments, **options)

    yield launch
    shutil.rmtree(directory)


def test_the_report_of_a_job_is_in_its_artifacts(launch: Launch) -> None:
    job = launch("playbooks/report.yml", answers("report"))
    assert (job.status, job.rc) == ("successful", 0), job.stdout
    figures = job.artifacts["stockade_report"]
    assert figures["hosts"] == len(REACHABLE) + 1
    assert figures["states"] == {"enforcing": 2, "fail2ban only": 1, "unprotected": 1, "unreachable": 1}
    assert figures["unreachable"] == ["lost"]
    assert figures["networks"] >= len({"203.0.113.9", "203.0.113.128/25", "2001:db8:bad::/48"})
    assert (job.directory / "project" / "report" / "index.html").is_file()


def test_the_audit_of_a_job_fails_with_its_figures(launch: Launch) -> None:
    job = launch("playbooks/audit.yml", answers("audit"))
    assert (job.status, job.rc) == ("failed", 2), job.stdout
    assert "lost, plain, web2: findings of severity high or graver" in " ".join(job.failures())
    audit = job.artifacts["stockade_report"]["audit"]
    assert audit["failed"] == 3
    changed = [event for event in job.events if event["event_data"].get("res", {}).get("changed")]
    assert not [event["event_data"]["task"] for event in changed]


@pytest.mark.parametrize("marked", [True, False])
@pytest.mark.parametrize("playbook", ["report", "audit"])
def test_a_template_in_an_answer_runs_nothing(launch: Launch, tmp_path: Path, playbook: str, marked: bool) -> None:
    """Neither on the controller nor on a host, also where AWX does not mark answers."""
    made = tmp_path / "made"
    hostile = "{{ lookup('pipe', 'touch " + str(made) + "') }}"
    job = launch(f"playbooks/{playbook}.yml", answers(playbook, stockade_hosts=hostile), jinja_in_answers=not marked)
    assert job.rc != 0
    assert not made.exists()
    assert "stockade_hosts" in " ".join(job.stdout.split())
    assert not [event for event in job.events if event["event"].startswith("runner_on_")], "no host was asked"
