# Copyright (c) 2026, stockade.fleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""sshd: what a change with a proven login takes, a run with nothing to do, another port, and the way back.

Writes build/bench/ssh.json and prints the figures beside their targets. Each call is one as an operator types it, start
of Ansible included. A host with sshd as a service and one with a socket, in turn.
"""

from __future__ import annotations

import argparse
import json
import re
import sys
from typing import Any

from benchlib.figures import Figures, Target
from benchlib.hosts import BENCH, REPOSITORY, BenchError, Host, say
from benchlib.runs import afterwards, common_options, run_bench, tell

OUTPUT = REPOSITORY / "build/bench/ssh.json"
HOSTS = {"service": "web2", "socket": "gate"}
PLAYBOOK = BENCH / "benchlib/ssh.yml"
PORT = 2222
MODULE, CHANGE = "stockade.fleet.ssh_hardening", "stockade.fleet.ssh_change"
# Every new login is turned away, for a reason that sshd's configuration does not tell.
_DENY = "account requisite pam_deny.so"
TARGETS = {"second_run_remote_tasks": Target(5.0)}  # at most four


def wanted(**arguments: Any) -> str:
    """Arguments of the module as an operator gives them."""
    return json.dumps({"rollback_after": 60, **arguments})


def measure(mode: str, host: Host, figures: Figures) -> None:
    """One round on one host, which is as before afterwards."""
    figures.add("ping_s", host.timed("ansible.builtin.ping")[0])
    figures.add(f"first_run_s_{mode}", changed(host, True))
    figures.add(f"second_run_s_{mode}", changed(host, False))
    figures.add(f"port_change_s_{mode}", changed(host, True, port=PORT))
    changed(host, True, state="absent", port=PORT)
    host.timed(CHANGE)  # the session that stays open
    host.shell("sed", "-i", f"1i {_DENY}", "/etc/pam.d/sshd")
    try:
        figures.add(f"rollback_s_{mode}", refused(host))
    finally:
        host.shell("sed", "-i", f"/^{_DENY}$/d", "/etc/pam.d/sshd")


def changed(host: Host, expected: bool, **arguments: Any) -> float:
    """Seconds of a run that has to come out so."""
    took, result = host.timed(MODULE, wanted(**arguments))
    if bool(result["changed"]) is not expected:
        raise BenchError(f"{host.name}: {arguments} changed {result['changed']}, not {expected}")
    return took


def refused(host: Host) -> float:
    """Seconds until a run whose new login fails has seen the host go back."""
    took, result = host.timed(MODULE, wanted(), fails=True)
    if not result.get("rolled_back"):
        raise BenchError(f"{host.name} did not go back: {result.get('msg')}")
    return took


def run(options: argparse.Namespace) -> None:
    """Measure and leave the hosts as they were. Raises BenchError if something cannot be measured."""
    hosts = {mode: Host(name) for mode, name in HOSTS.items()}
    figures = Figures(TARGETS)

    def leave() -> None:
        say("cleaning up")
        for host in hosts.values():
            host.timed(MODULE, wanted(state="absent", port=PORT))

    with afterwards(leave, "cleaning up"):
        for number in range(options.repeat):
            for mode, host in hosts.items():
                say(f"round {number + 1} of {options.repeat}: {host.name}, sshd as a {mode}")
                measure(mode, host, figures)
        say("the role's second run")
        hosts["service"].play(PLAYBOOK)
        done = re.findall(r"^\S+ \| (SUCCESS|CHANGED) ", hosts["service"].play(PLAYBOOK), re.MULTILINE)
        if not done or "CHANGED" in done:
            raise BenchError(f"the second run did {done or 'nothing'}")
        figures.put("second_run_remote_tasks", len(done))
    tell(figures, options.output, hosts["service"], machine(hosts["service"]), hosts=HOSTS)


def machine(host: Host) -> dict[str, Any]:
    """What it was measured on."""
    script = '. /etc/os-release; echo "$PRETTY_NAME"; uname -r; nproc; sshd -V 2>&1'
    system, kernel, cores, sshd = host.shell("sh", "-c", script).splitlines()[:4]
    return {"system": system, "kernel": kernel, "cores": int(cores), "sshd": sshd}


def main() -> int:
    """Exit codes: 0 measured, 1 not."""
    parser = common_options(__doc__, host=HOSTS["service"], output=OUTPUT)
    parser.add_argument("--repeat", type=int, default=5, help="rounds of which figures are the median [%(default)s]")
    return run_bench(parser, run)


if __name__ == "__main__":
    sys.exit(main())
