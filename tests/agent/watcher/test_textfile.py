# Copyright (c) 2026, stockade.fleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The textfile for Prometheus: read by a strict parser of its text format, whatever the names are."""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from stockade.watcher import textfile
from stockade.watcher.service import Service

_NAME = r"[a-zA-Z_:][a-zA-Z0-9_:]*"
_LABEL = r'([a-zA-Z_][a-zA-Z0-9_]*)="((?:[^"\\\n]|\\[\\"n])*)"'
_SAMPLE = re.compile(rf"({_NAME})(?:\{{((?:{_LABEL})(?:,{_LABEL})*)\}})? (-?[0-9]+(?:\.[0-9]+)?(?:e[+-]?[0-9]+)?)")
_UNITS = ("seconds", "bytes", "total")


@dataclass
class Family:
    """One metric: its type, and its samples by their labels."""

    type: str
    help: str
    samples: dict[tuple[tuple[str, str], ...], float] = field(default_factory=dict)


def parse(text: str) -> dict[str, Family]:
    """The text format, version 0.0.4, with everything an error that a reader may stumble over."""
    families: dict[str, Family] = {}
    helped: dict[str, str] = {}
    name = ""
    assert text.endswith("\n")
    for line in text[:-1].split("\n"):
        if line.startswith("# HELP "):
            name, _blank, said = line[7:].partition(" ")
            assert re.fullmatch(_NAME, name) and said and name not in helped, line
            helped[name] = said
        elif line.startswith("# TYPE "):
            about, _blank, kind = line[7:].partition(" ")
            assert about == name and name not in families, line  # HELP, TYPE and samples of one metric stand together
            assert kind in ("counter", "gauge"), line
            families[name] = Family(kind, helped[name])
        else:
            match = _SAMPLE.fullmatch(line)
            assert match, line
            assert match[1] == name, line
            labels = tuple((key, _plain(value)) for key, value in re.findall(_LABEL, match[2] or ""))
            assert labels not in families[name].samples, line
            families[name].samples[labels] = float(match[match.lastindex or 0])
    return families


def _plain(value: str) -> str:
    return re.sub(r"\\(.)", lambda match: "\n" if match[1] == "n" else match[1], value)


def status(**fields: Any) -> dict[str, Any]:
    entry = {"lines": 1000, "unparsed": 3, "too_long": 1, "out_of_time": 2, "behind_bytes": 4096, "lag_seconds": 7}
    return {
        "started_at": 1_791_633_600,
        "lines_per_second": 321,
        "bans": 12,
        "pending": 4,
        "dropped": 5,
        "late": 6,
        "events_dropped": 7,
        "problems": ["one", "two"],
        "inputs": [{"name": "web", **entry}, {"name": "auth", **entry, "lines": 2000}],
        "rules": [{"name": "requests", "tracked": 77, "verdicts": 8, "shed": 9}],
        **fields,
    }


def test_every_figure_is_there() -> None:
    found = parse(textfile.render(status()))
    values = {
        name.removeprefix("stockade_watcher_"): next(iter(family.samples.values()))
        for name, family in found.items()
        if () in family.samples
    }
    assert values == {
        "start_time_seconds": 1_791_633_600,
        "lines_per_second": 321,
        "bans_total": 12,
        "verdicts_pending": 4,
        "verdicts_dropped_total": 5,
        "verdicts_late_total": 6,
        "events_dropped_total": 7,
        "problems": 2,
    }
    by_input = {name: found[f"stockade_watcher_{name}"].samples for name in ("lines_total", "behind_bytes")}
    assert by_input == {
        "lines_total": {(("input", "web"),): 1000, (("input", "auth"),): 2000},
        "behind_bytes": {(("input", "web"),): 4096, (("input", "auth"),): 4096},
    }
    one = {"unparsed_lines_total": 3, "too_long_lines_total": 1, "out_of_time_lines_total": 2, "lag_seconds": 7}
    for name, value in one.items():
        assert found[f"stockade_watcher_{name}"].samples[("input", "web"),] == value
    for name, value in {"tracked_clients": 77, "verdicts_total": 8, "shed_clients_total": 9}.items():
        assert found[f"stockade_watcher_{name}"].samples == {(("rule", "requests"),): value}


def test_names_follow_prometheus_conventions() -> None:
    for name, family in parse(textfile.render(status())).items():
        assert name.startswith("stockade_watcher_")
        assert name.endswith("_total") == (family.type == "counter"), name
        assert not re.search(r"milli|micro|kilo|mega|minutes|hours", name)
        assert family.help.endswith(".")


@pytest.mark.parametrize("name", ['a"b', "back\\slash", "two\nlines", 'x"} 1\n# TYPE evil', "späher", "{}", "\\n"])
def test_a_name_cannot_break_out_of_its_label(name: str) -> None:
    found = parse(textfile.render(status(rules=[{"name": name, "tracked": 1, "verdicts": 2, "shed": 3}])))
    assert found["stockade_watcher_verdicts_total"].samples == {(("rule", name),): 2}


def test_a_watcher_without_inputs_is_still_well_formed() -> None:
    found = parse(textfile.render({"inputs": [], "rules": [], "problems": []}))
    assert found["stockade_watcher_lines_total"].samples == {}
    assert found["stockade_watcher_problems"].samples == {(): 0}


# The file


def test_others_may_read_it_and_never_see_a_half_of_it(tmp_path: Path) -> None:
    path = tmp_path / "stockade.prom"
    previous = os.umask(0o077)
    try:
        assert textfile.write(path, status(bans=1)) == ""
        first = path.stat().st_ino
        with open(path, encoding="utf-8") as reader:
            assert textfile.write(path, status(bans=2)) == ""
            assert parse(reader.read())["stockade_watcher_bans_total"].samples == {(): 1}
    finally:
        os.umask(previous)
    assert parse(path.read_text())["stockade_watcher_bans_total"].samples == {(): 2}
    assert path.stat().st_ino != first
    assert stat.S_IMODE(path.stat().st_mode) == 0o644
    assert [file.name for file in tmp_path.iterdir()] == ["stockade.prom"]


def test_the_collector_does_not_take_the_unfinished_file() -> None:
    """It takes every `*.prom` of its directory."""
    names: list[str] = []

    class Watched(type(Path())):  # type: ignore[misc]
        def with_name(self, name: str) -> Path:
            names.append(name)
            return Path("/nowhere") / name

    textfile.write(Watched("/nowhere/stockade.prom"), status())
    assert names and not [name for name in names if name.endswith(".prom")]


def test_a_textfile_that_cannot_be_written_is_a_problem_and_not_the_end(tmp_path: Path) -> None:
    path = tmp_path / "no" / "stockade.prom"
    assert textfile.write(path, status()) == f"cannot write {path}: No such file or directory"
    (tmp_path / "stockade.prom").mkdir()
    assert textfile.write(tmp_path / "stockade.prom", status()) == (
        f"cannot write {tmp_path}/stockade.prom: Is a directory"
    )


def test_a_link_in_the_place_of_the_unfinished_file_is_not_followed(tmp_path: Path) -> None:
    (tmp_path / "precious").write_text("text")
    (tmp_path / "stockade.prom.new").symlink_to(tmp_path / "precious")
    assert textfile.write(tmp_path / "stockade.prom", status()).startswith("cannot write ")
    assert (tmp_path / "precious").read_text() == "text"


def test_the_services_own_status_makes_a_textfile(start: Callable[..., Service], access: Path, log: Any) -> None:
    access.write_bytes(b"\n".join(log.lines(5, log.noon)) + b"\nno line\n")
    watcher = start(clock=lambda: float(log.noon))
    watcher.turn()
    found = parse(textfile.render(watcher.status()))
    assert found["stockade_watcher_lines_total"].samples == {(("input", "web"),): 6}
    assert found["stockade_watcher_unparsed_lines_total"].samples == {(("input", "web"),): 1}
    names = [rule.name for rule in watcher.engine.rules]
    assert list(found["stockade_watcher_tracked_clients"].samples) == [(("rule", name),) for name in names]
