# Copyright (c) 2026, stockade.fleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A job as AWX runs it, without AWX: ansible-runner over a private data directory that begins empty.

The project is a copy of what git knows of this checkout, its collection is installed from it by ansible-galaxy into
`requirements_collections`, answers of the survey are extra variables in `env/extravars`, marked as AWX marks them, and
neither the home directory nor the environment of whoever runs the tests is there.
"""

from __future__ import annotations

import importlib.util
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import yaml

ROOT = Path(__file__).resolve().parents[2]
# A core's environment beside .venv, which has the main one; the variable names others: 2.18=/srv/venv-2.18:…
_PLACES = "STOCKADE_CORES"
_MAIN = os.environ.get("CORE_MAIN", "2.19")
_PROJECT_UPDATE = ["collection", "install", "-r", "collections/requirements.yml", "--collections-path"]


class Job(NamedTuple):
    """What became of a run: its status and return code, events in order, `set_stats` data, and what was printed."""

    status: str
    rc: int
    events: list[dict[str, Any]]
    artifacts: dict[str, Any]
    stdout: str
    directory: Path

    def results(self, task: str) -> list[dict[str, Any]]:
        """The results of a task of that name, of every host, items left out."""
        wanted = ("runner_on_ok", "runner_on_failed", "runner_on_unreachable", "runner_on_skipped")
        found = [event for event in self.events if event["event"] in wanted]
        return [event["event_data"]["res"] for event in found if event["event_data"].get("task") == task]

    def failures(self) -> list[str]:
        """What failed tasks said, one text for each host."""
        failed = [event["event_data"] for event in self.events if event["event"] == "runner_on_failed"]
        return [str(data["res"].get("msg")) for data in failed if not data.get("ignore_errors")]


class _Unsafe(yaml.SafeDumper):
    """Every text is marked as AWX marks answers: never a template."""

    def represent_data(self, data: Any) -> yaml.Node:
        if isinstance(data, str):
            return self.represent_scalar("!unsafe", data)
        return super().represent_data(data)


def why_not(core: str) -> str | None:
    """Why there can be no job with this ansible-core; None if there can."""
    if importlib.util.find_spec("ansible_runner") is None:
        return "ansible-runner is not installed"
    binaries = binaries_of(core)
    return None if (binaries / "ansible-playbook").exists() else f"ansible-core {core} is not at {binaries}"


def binaries_of(core: str) -> Path:
    """The directory with the programs of an ansible-core version."""
    for place in filter(None, os.environ.get(_PLACES, "").split(":")):
        version, _sign, directory = place.partition("=")
        if version == core:
            return Path(directory) / "bin"
    return ROOT / (".venv" if core == _MAIN else f".venv-{core}") / "bin"


def fetch_project(directory: Path, core: str) -> None:
    """What AWX does when it updates a project: a clone in `project`, collections in `requirements_collections`."""
    export = [sys.executable, str(ROOT / "tests/tools/export_tree.py"), str(directory / "project")]
    subprocess.run(export, check=True, capture_output=True, timeout=120)
    subprocess.run(
        [str(binaries_of(core) / "ansible-galaxy"), *_PROJECT_UPDATE, str(directory / "requirements_collections")],
        cwd=directory / "project",
        env=_environment(directory, core),
        check=True,
        capture_output=True,
        timeout=300,
    )


def run(
    playbook: str,
    inventory_path: Path,
    answers: Mapping[str, Any],
    core: str,
    *,
    directory: Path,
    template_vars: Mapping[str, Any] | None = None,
    arguments: Sequence[str] = (),
    jinja_in_answers: bool = False,
    timeout: float = 600,
) -> Job:
    """Run `playbooks/…` as a job of AWX.

    `answers` are those of the survey, `template_vars` the extra variables of the job template, which may be templates.
    `arguments` are what AWX adds for options of the job: `["--check", "--diff"]`, `["--limit", "web"]`.
    `jinja_in_answers` is AWX's setting ALLOW_JINJA_IN_EXTRA_VARS=always: answers come without any mark.
    `directory` is the private data directory, made and filled if it is not there; several jobs may use it in turn.
    """
    if not (directory / "project").exists():
        fetch_project(directory, core)
    for name in ("env", "inventory", "artifacts", "home"):
        shutil.rmtree(directory / name, ignore_errors=True)
        (directory / name).mkdir(parents=True)
    shutil.copy2(inventory_path, directory / "inventory" / f"hosts{inventory_path.suffix}")
    (directory / "env" / "extravars").write_text(
        _extra_variables(answers, template_vars or {}, jinja_in_answers), encoding="utf-8"
    )
    (directory / "env" / "envvars").write_text(json.dumps(_job_environment(directory)), encoding="utf-8")
    settings = {"suppress_ansible_output": True, "job_timeout": int(timeout)}
    (directory / "env" / "settings").write_text(json.dumps(settings), encoding="utf-8")
    if arguments:
        # Runner splits this file as a shell does.
        (directory / "env" / "cmdline").write_text(_quoted(arguments), encoding="utf-8")
    command = [sys.executable, "-m", "ansible_runner", "run", str(directory), "-p", playbook, "-i", "1", "-q"]
    done = subprocess.run(
        command,
        cwd=directory,
        env=_environment(directory, core),
        capture_output=True,
        text=True,
        timeout=timeout + 60,
        check=False,
    )
    return _job(directory, done)


def _job(directory: Path, done: subprocess.CompletedProcess[str]) -> Job:
    made = directory / "artifacts" / "1"
    if not (made / "rc").exists():
        raise RuntimeError(f"ansible-runner: {done.stdout}{done.stderr}")
    names = sorted((made / "job_events").glob("*-*.json"), key=lambda path: int(path.name.partition("-")[0]))
    events = [json.loads(path.read_text(encoding="utf-8")) for path in names]
    stats = [event["event_data"] for event in events if event["event"] == "playbook_on_stats"]
    return Job(
        (made / "status").read_text(encoding="utf-8").strip(),
        int((made / "rc").read_text(encoding="utf-8")),
        events,
        stats[-1].get("artifact_data", {}) if stats else {},
        (made / "stdout").read_text(encoding="utf-8"),
        directory,
    )


def _environment(directory: Path, core: str) -> dict[str, str]:
    """Of the tests' own environment nothing but the way to ansible-core and to the programs of the system."""
    home = directory / "home"
    home.mkdir(parents=True, exist_ok=True)
    path = f"{binaries_of(core)}:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
    return {"PATH": path, "HOME": str(home), "LANG": "C.UTF-8", "LC_ALL": "C.UTF-8"}


def _job_environment(directory: Path) -> dict[str, str]:
    """The variables that AWX sets for a job."""
    collections = f"{directory}/requirements_collections:~/.ansible/collections:/usr/share/ansible/collections"
    return {
        "ANSIBLE_COLLECTIONS_PATH": collections,
        "ANSIBLE_ROLES_PATH": f"{directory}/requirements_roles:~/.ansible/roles",
        "ANSIBLE_FORCE_COLOR": "False",
        "ANSIBLE_HOST_KEY_CHECKING": "False",
        "ANSIBLE_INVENTORY_UNPARSED_FAILED": "True",
        "ANSIBLE_PARAMIKO_RECORD_HOST_KEYS": "False",
        "ANSIBLE_RETRY_FILES_ENABLED": "False",
        "JOB_ID": "1",
    }


def _extra_variables(answers: Mapping[str, Any], template_vars: Mapping[str, Any], jinja: bool) -> str:
    """The file of extra variables: those of the template as they are, those of the survey and AWX's own marked."""
    told = {"awx_job_id": 1, "awx_job_launch_type": "manual", "awx_user_name": "operator", **answers}
    plain = {key: value for key, value in template_vars.items() if key not in told}
    text = yaml.safe_dump(plain) if plain else ""
    return text + (yaml.safe_dump(told) if jinja else yaml.dump(told, Dumper=_Unsafe, default_flow_style=False))


def _quoted(arguments: Sequence[str]) -> str:
    return " ".join("'" + argument.replace("'", "'\"'\"'") + "'" for argument in arguments)
