# Copyright (c) 2026, stockade.fleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Lines per second of processor time: `stockade replay`, fail2ban and mawk over the same finished logs.

Each is a program of its own, started on one and the same core after the other. What it used is what the kernel counted
for it from its start to its end, in user mode and in the kernel.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from onhost import watcher_logs
from onhost.warden import run

DIRECTORY = Path("/var/tmp/stockade-bench-logs")
ACCESS, SSHD = DIRECTORY / "access.log", DIRECTORY / "auth.log"
SEED = 5
REPLAY = ("/usr/local/bin/stockade", "replay", "--json", "--limit", "1")

# What the rule `requests` of the watcher asks of a client.
_LIMITS = [["usedns", "no"], ["findtime", "60"], ["maxretry", "300"], ["maxmatches", "300"]]
_STOCK = [*_LIMITS, ["addfailregex", '^<HOST> -.*"(?:GET|POST|HEAD).*"']]
_TUNED = [
    *_LIMITS,
    ["datepattern", r"\[%d/%b/%Y:%H:%M:%S %z\]"],
    ["addfailregex", '^<ADDR> -.*"(?:GET|POST|HEAD) '],
]
_SSHD = [["usedns", "no"], ["findtime", "600"], ["maxretry", "5"]]
# How many requests each address made in each minute, and who made too many in one.
_COUNT = """{ count[$1 " " substr($4, 2, 17)]++ }
END { for (key in count) { lines += count[key]; if (count[key] >= 300) over++ }; print lines, over + 0 }"""


def prepare(access_lines: int, sshd_lines: int) -> dict[str, float]:
    """Write the logs; how many of their clients and requests are different, and how large they are in MB."""
    leave()
    DIRECTORY.mkdir(mode=0o700)
    watcher_logs.write_access(ACCESS, access_lines, SEED)
    watcher_logs.write_sshd(SSHD, sshd_lines, SEED)
    seen: dict[str, int] = {}
    clients = set()
    with ACCESS.open(encoding="ascii") as file:
        for line in file:
            clients.add(line.split(" ", 1)[0])
            request = line.split('"', 2)[1]
            seen[request] = seen.get(request, 0) + 1
    return {
        "clients": len(clients),
        "unique_share": sum(count == 1 for count in seen.values()) / access_lines,
        "access_mb": ACCESS.stat().st_size / 1e6,
        "sshd_mb": SSHD.stat().st_size / 1e6,
    }


def leave() -> None:
    """Remove the logs."""
    shutil.rmtree(DIRECTORY, ignore_errors=True)


def measure(access_lines: int, sshd_lines: int, fail2ban_lines: int, core: int | None = None) -> dict[str, Any]:
    """One round: each program once, all on the same core (by default the last one).

    fail2ban reads the first `fail2ban_lines` of the access log, the others all of it. In `rates` lines per second of
    processor time, in `said` what each found. Raises RuntimeError if a program does not read all its lines.
    """
    os.sched_setaffinity(0, {max(os.sched_getaffinity(0)) if core is None else core})
    rates, said = {}, {}
    for path in (ACCESS, SSHD):
        path.read_bytes()  # into the page cache

    def take(name: str, lines: int, found: dict[str, Any], seconds: float, read: int) -> None:
        if read != lines:
            raise RuntimeError(f"{name} read {read} of {lines} lines: {found}")
        rates[name], said[name] = lines / seconds, found

    for name, log, lines in (("lines", ACCESS, access_lines), ("sshd_lines", SSHD, sshd_lines)):
        seconds, found = _replay(log)
        take(name, lines, found, seconds, found["lines"])
    seconds, text = _timed(["mawk", _COUNT, str(ACCESS)])
    counted, over = map(int, text.split())
    take("mawk_lines", access_lines, {"minutes_over_300": over}, seconds, counted)
    for name, level, settings in (("stock", "INFO", _STOCK), ("tuned", "WARNING", _TUNED)):
        lines = min(fail2ban_lines, access_lines)
        seconds, found = _fail2ban(ACCESS, lines, watcher_logs.ACCESS_PER_SECOND, level, settings)
        take(f"fail2ban_{name}_lines", lines, found, seconds, found["found"])  # each line is a failure to it
    seconds, found = _fail2ban(SSHD, sshd_lines, watcher_logs.SSHD_PER_SECOND, "WARNING", _SSHD, "sshd")
    take("fail2ban_sshd_lines", sshd_lines, found, seconds, sshd_lines)
    if not found["found"]:
        raise RuntimeError("fail2ban found no failed login")
    return {"rates": rates, "said": said}


def versions() -> dict[str, str]:
    """What is compared."""
    return {
        "interpreter": sys.version.split()[0],
        "fail2ban_package": run("dpkg-query", "-W", "-f", "${Version}", "fail2ban"),
        "mawk_package": run("dpkg-query", "-W", "-f", "${Version}", "mawk"),
    }


def _replay(log: Path) -> tuple[float, dict[str, int]]:
    seconds, text = _timed([*REPLAY, str(log)])
    answer = json.loads(text)
    if not answer["complete"] or answer["unparsed"]:
        raise RuntimeError(f"replay of {log}: {answer['unparsed']} lines do not parse. {answer['problem']}")
    return seconds, {"lines": answer["lines"], "events": answer["events"], "clients": answer["clients"]}


def _fail2ban(
    log: Path, lines: int, per_second: int, level: str, settings: Sequence[Sequence[str]], named: str = ""
) -> tuple[float, dict[str, int]]:
    with tempfile.NamedTemporaryFile(dir=DIRECTORY, prefix="fail2ban-") as target:
        order = {
            "log": str(log),
            "lines": lines,
            "per_second": per_second,
            "start": watcher_logs.START,
            "level": level,
            "target": target.name,
            "settings": settings,
            "filter_": named,
        }
        seconds, text = _timed([sys.executable, "-m", "onhost.watcher_fail2ban"], json.dumps(order))
    found: dict[str, int] = json.loads(text)
    return seconds, found


def _timed(command: Sequence[str], text: str = "") -> tuple[float, str]:
    """Seconds of processor time of a program from start to end, what it printed. Raises RuntimeError if it fails."""
    with tempfile.TemporaryFile() as given, tempfile.TemporaryFile() as printed, tempfile.TemporaryFile() as errors:
        given.write(text.encode())
        given.seek(0)
        child = subprocess.Popen(command, stdin=given, stdout=printed, stderr=errors)
        _pid, status, usage = os.wait4(child.pid, 0)
        child.returncode = os.waitstatus_to_exitcode(status)
        if child.returncode != 0:
            errors.seek(0)
            raise RuntimeError(f"{' '.join(command)[:200]}: {errors.read().decode(errors='replace')[-1000:]}")
        printed.seek(0)
        return usage.ru_utime + usage.ru_stime, printed.read().decode()
