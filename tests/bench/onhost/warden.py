# Copyright (c) 2026, stockade.fleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Asking the warden, and the kernel behind its back."""

from __future__ import annotations

import json
import socket
import subprocess
import time
from typing import Any

SOCKET = "/run/stockade/warden.sock"
UNIT = "stockade-warden.service"
REASON = "stockade bench"  # by which the bench knows its own bans


class Connection:
    """One connection to the warden's socket."""

    def __init__(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(120)
        self.sock.connect(SOCKET)
        self._answers = self.sock.makefile("rb")

    def send(self, op: str, **fields: Any) -> None:
        """Put a request."""
        self.sock.sendall(json.dumps({"v": 1, "op": op, **fields}).encode() + b"\n")

    def answer(self) -> dict[str, Any]:
        """Wait for the answer to it. Raises RuntimeError if it is an error."""
        answer = json.loads(self._answers.readline())
        if not answer["ok"]:
            raise RuntimeError(f"the warden says: {answer['error']['message']}")
        result: dict[str, Any] = answer["result"]
        return result


def ask(op: str, **fields: Any) -> dict[str, Any]:
    """The result of one operation. Raises RuntimeError if the warden refuses."""
    connection = Connection()
    connection.send(op, **fields)
    return connection.answer()


def ban(networks: list[str]) -> None:
    """Ban these for the time of a bench."""
    ask("ban", bans=[{"network": network, "duration": "2h", "reason": REASON} for network in networks])


def unban(networks: list[str]) -> None:
    """Lift them."""
    if networks:
        ask("unban", networks=networks, source="operator")


def bans() -> dict[str, Any]:
    """The warden's own word on how it is."""
    return ask("status")


def cleanup(lists: list[str]) -> None:
    """Lift whatever a bench banned, also one that was interrupted."""
    for name in lists:
        ask("permanent_bans", list=name, entries=[])
    rows = ask("bans", source="operator", limit=200_000)["bans"]
    unban([row["network"] for row in rows if row["reason"] == REASON])
    ask("release")  # with the table go the sets of prefix lengths that nobody uses now
    ask("resume")


def run(*command: str, text: str = "", check: bool = True) -> str:
    """What a command prints. Raises RuntimeError with its error text if it fails."""
    done = subprocess.run(command, input=text, capture_output=True, text=True, check=False)
    if check and done.returncode != 0:
        raise RuntimeError(f"{' '.join(command)[:200]}: {done.stderr.strip()[:1000]}")
    return done.stdout


def elements() -> int:
    """How many bans the kernel's table holds, as nft lists them."""
    listed = json.loads(run("nft", "-j", "list", "table", "inet", "stockade"))["nftables"]
    sets = (item["set"] for item in listed if "set" in item)
    return sum(len(found.get("elem", ())) for found in sets if found["name"].startswith("ban"))


def wait_enforcing(deadline: float = 60.0) -> None:
    """Until the warden says that all is in force. Raises RuntimeError after `deadline` seconds."""
    until = time.monotonic() + deadline
    while (status := ask("status"))["state"] != "enforcing":
        if time.monotonic() > until:
            raise RuntimeError(f"the warden is {status['state']}: {status['problems']}")
        time.sleep(0.1)


def main_pid() -> int:
    """The process id of the warden."""
    return int(run("systemctl", "show", "--value", "--property=MainPID", UNIT))
