# Copyright (c) 2026, stockade.fleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The watcher's figures as a textfile for Prometheus' node_exporter."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

# Name, type, what it is, and where it stands: in the status itself, in each input, in each rule.
_GAUGE, _COUNTER = "gauge", "counter"
_OF_ALL = (
    ("start_time_seconds", _GAUGE, "When the watcher started, epoch seconds.", "started_at"),
    ("lines_per_second", _GAUGE, "Lines read in a second, lately.", "lines_per_second"),
    ("bans_total", _COUNTER, "Bans that the warden made.", "bans"),
    ("verdicts_pending", _GAUGE, "Verdicts without an answer of the warden.", "pending"),
    ("verdicts_dropped_total", _COUNTER, "Verdicts that were dropped while the warden was away.", "dropped"),
    ("verdicts_late_total", _COUNTER, "Verdicts whose ban would have been over.", "late"),
    ("events_dropped_total", _COUNTER, "Events that were not kept in the database.", "events_dropped"),
)
_OF_INPUTS = (
    ("lines_total", _COUNTER, "Lines read.", "lines"),
    ("unparsed_lines_total", _COUNTER, "Lines that did not parse.", "unparsed"),
    ("too_long_lines_total", _COUNTER, "Lines that were too long.", "too_long"),
    ("out_of_time_lines_total", _COUNTER, "Lines that were too old, or of the future.", "out_of_time"),
    ("behind_bytes", _GAUGE, "Bytes that wait to be read.", "behind_bytes"),
    ("lag_seconds", _GAUGE, "How old the newest line is while more wait to be read.", "lag_seconds"),
)
_OF_RULES = (
    ("tracked_clients", _GAUGE, "Clients with events in a window.", "tracked"),
    ("verdicts_total", _COUNTER, "Verdicts of a rule.", "verdicts"),
    ("shed_clients_total", _COUNTER, "Clients that were forgotten because there were too many.", "shed"),
)


def write(path: Path, status: dict[str, Any]) -> str:
    """Replace the textfile at once; what went wrong, empty if nothing did."""
    temporary = path.with_name(path.name + ".new")
    try:
        flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC | os.O_NOFOLLOW
        with open(os.open(temporary, flags, 0o644), "w", encoding="utf-8") as file:
            os.fchmod(file.fileno(), 0o644)
            file.write(render(status))
        os.replace(temporary, path)
    except OSError as error:
        return f"cannot write {path}: {error.strerror}"
    return ""


def render(status: dict[str, Any]) -> str:
    """The figures of a status in the text format of Prometheus."""
    lines: list[str] = []
    for name, kind, text, key in _OF_ALL:
        lines += _metric(name, kind, text, [("", status.get(key, 0))])
    lines += _metric("problems", _GAUGE, "What is wrong now.", [("", len(status.get("problems", ())))])
    for name, kind, text, key in _OF_INPUTS:
        lines += _metric(name, kind, text, _each(status.get("inputs", ()), "input", key))
    for name, kind, text, key in _OF_RULES:
        lines += _metric(name, kind, text, _each(status.get("rules", ()), "rule", key))
    return "\n".join(lines) + "\n"


def _each(entries: Any, label: str, key: str) -> Iterator[tuple[str, object]]:
    for entry in entries:
        name = str(entry["name"]).replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
        yield f'{{{label}="{name}"}}', entry.get(key, 0)


def _metric(name: str, kind: str, text: str, samples: Any) -> Iterator[str]:
    yield f"# HELP stockade_watcher_{name} {text}"
    yield f"# TYPE stockade_watcher_{name} {kind}"
    for labels, value in samples:
        yield f"stockade_watcher_{name}{labels} {int(value)}"
