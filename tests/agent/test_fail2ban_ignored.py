# Copyright (c) 2026, stockade.fleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""fail2ban's `ignorecommand`, with a warden that is played."""

from __future__ import annotations

import json
import socket
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import pytest

PROGRAM = Path(__file__).resolve().parents[2] / "roles" / "fail2ban" / "files" / "ignored.py"


def run(tmp_path: Path, *arguments: str, answer: bytes | None) -> tuple[int, list[dict[str, Any]]]:
    """The exit code, and what the warden was asked; there is none without an answer."""
    path, asked = tmp_path / "w", []
    program = tmp_path / "program.py"
    program.write_text(PROGRAM.read_text().replace("/run/stockade/warden.sock", str(path)))

    def serve(listener: socket.socket) -> None:
        link, _address = listener.accept()
        with link, link.makefile("rb") as lines:
            asked.append(json.loads(lines.readline()))
            link.sendall(answer or b"")

    if answer is not None:
        listener = socket.socket(socket.AF_UNIX)
        listener.bind(str(path))
        listener.listen()
        threading.Thread(target=serve, args=(listener,), daemon=True).start()
    done = subprocess.run(
        [sys.executable, "-I", str(program), *arguments], capture_output=True, timeout=30, check=False
    )
    assert not done.stdout and not done.stderr
    return done.returncode, asked


def answered(state: str) -> bytes:
    told = {"v": 1, "ok": True, "result": {"results": [{"network": "203.0.113.9", "state": state}]}}
    return json.dumps(told).encode() + b"\n"


@pytest.mark.parametrize(("state", "code"), [("refused", 0), ("banned", 1), ("unchanged", 1)])
def test_eh11_whom_the_warden_would_never_ban_is_ignored(tmp_path: Path, state: str, code: int) -> None:
    assert run(tmp_path, "203.0.113.9", answer=answered(state)) == (
        code,
        [{"v": 1, "op": "ban", "check": True, "bans": [{"network": "203.0.113.9"}], "on_refused": "skip"}],
    )


@pytest.mark.parametrize("answer", [None, b"", b"junk\n", b"{}\n", b'{"v": 1, "ok": false, "error": {}}\n'])
def test_without_an_answer_nobody_is_ignored(tmp_path: Path, answer: bytes | None) -> None:
    assert run(tmp_path, "203.0.113.9", answer=answer)[0] == 1
