# Copyright (c) 2026, stockade.fleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A host's report goes to a command of the site: once, whole, and whatever that does the report is kept."""

from __future__ import annotations

import json
import time

import pytest
from reportlab import ReportingHost

from stockade.report import keep

STAMP = "2027-01-15T08:00:00+0000: "
RECORDER = """#!/bin/sh
for word in "$@"; do printf '%s\\0' "$word" >>{path}/words; done
cat >>{path}/input
echo call >>{path}/calls
echo "sent \\033[1m"
exit {code}
"""


def recorder(host: ReportingHost, *words: str, code: int = 0) -> None:
    """The configured command from now on: a program that keeps what it is given."""
    script = host.path / "recorder"
    script.write_text(RECORDER.format(path=host.path, code=code))
    script.chmod(0o755)
    host.config.write_text(f"command = {json.dumps([str(script), *words])}\n")


def test_a29_one_message_with_header_and_rows(host: ReportingHost) -> None:
    recorder(host, "send", "--message", "{report}")
    host.timer("security")
    assert not (host.path / "calls").exists()  # nothing to tell
    host.console.ban("203.0.113.9", reason="a_b *c* `d` & + % $(touch x) \\n")
    assert host.timer("security").code == 0
    assert (host.path / "calls").read_text() == "call\n"
    send, option, message, _end = (host.path / "words").read_text().split("\0")
    assert (send, option) == ("send", "--message")
    assert message.splitlines()[0] == "=== Security Officer Report (2027-01-15 08:00) ==="
    assert message.splitlines()[1].endswith("until=2027-01-15T09:00:00 a_b *c* `d` & + % $(touch x) \\n")
    assert (host.path / "input").read_text() == ""
    assert any(line == STAMP + "sent \\x1b[1m" for line in host.kept("security"))


def test_a29_a_report_that_is_not_whole_says_so_to_who_gets_it(host: ReportingHost) -> None:
    recorder(host)
    host.watcher = None
    host.timer("traffic")
    assert "ERROR: the watcher is not running" in (host.path / "input").read_text()


def test_a29_an_argument_that_is_too_long_loses_whole_lines_and_says_so(host: ReportingHost) -> None:
    recorder(host, "{report}")
    host.console.ban(*(f"198.51.{n >> 8 & 255}.{n & 255}" for n in range(2, 1500)), reason="flood")
    assert host.timer("security").code == 0
    lines = (host.path / "words").read_text().rstrip("\0").splitlines()
    assert len("\n".join(lines).encode()) < 2**17
    assert all(line.endswith(" flood") for line in lines[1:-1])
    assert lines[-1] == f"… {1499 - (len(lines) - 1)} more lines, see {host.logs}/security.log"


def test_a29_what_a_command_leaves_running_is_not_waited_for(host: ReportingHost) -> None:
    recorder(host)
    (host.path / "recorder").write_text("#!/bin/sh\nsleep 300 &\necho sent\n")
    host.console.ban("203.0.113.9")
    began = time.monotonic()
    assert host.timer("security").code == 0
    assert time.monotonic() - began < 60 and any(line.endswith(": sent") for line in host.kept("security"))


def test_a29_a_command_that_talks_and_talks_is_cut(host: ReportingHost) -> None:
    recorder(host)
    (host.path / "recorder").write_text("#!/bin/sh\nhead -c 50000000 /dev/zero | tr '\\0' x\n")
    host.console.ban("203.0.113.9")
    assert host.timer("security").code == 0
    assert max(map(len, host.kept("security"))) < 3000


def test_a29_a_command_that_does_not_end_is_ended(host: ReportingHost, monkeypatch: pytest.MonkeyPatch) -> None:
    recorder(host)
    (host.path / "recorder").write_text("#!/bin/sh\nexec sleep 300\n")
    monkeypatch.setattr(keep, "TIMEOUT", 0.5)
    host.console.ban("203.0.113.9")
    done = host.timer("security")
    assert done.code == 1 and "took longer than 0 s" in done.err


def test_a29_without_a_place_for_it_the_text_comes_on_standard_input(host: ReportingHost) -> None:
    recorder(host)
    host.console.ban("203.0.113.9")
    host.timer("security")
    assert (host.path / "input").read_text() == host.report("security").out


def test_a29_a_message_that_does_not_go_out_costs_no_report(host: ReportingHost) -> None:
    recorder(host, code=7)
    host.console.ban("203.0.113.9")
    done = host.timer("security")
    assert done.code == 1 and "recorder: exit code 7 (sent \\x1b[1m)" in done.err
    kept = host.kept("security")
    assert kept[2].startswith("203.0.113.9 (??)") and kept[3] == STAMP + "Security incidents logged."
    assert kept[4].startswith(STAMP + "ERROR: the report was not delivered: ")
    (host.path / "recorder").unlink()
    assert "No such file or directory" in host.timer("security").err


def test_a29_nobody_is_told_unless_a_command_is_set(host: ReportingHost) -> None:
    recorder(host)
    host.config.unlink()
    host.console.ban("203.0.113.9")
    assert host.timer("security").code == 0 and not (host.path / "calls").exists()
