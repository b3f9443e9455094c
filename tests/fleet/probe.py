# Copyright (c) 2026, stockade.fleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is on this host, as one JSON object of {kind: {name: state}}: snapshot.py runs it and compares.

What changes by itself, or belongs to the package manager, to Ansible or to the container, is left out.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import stat
import subprocess
from collections.abc import Iterable

ROOTS = ("/etc", "/usr/local", "/opt", "/srv", "/root", "/home", "/var/lib", "/var/spool", "/run/stockade")
VOLATILE = re.compile(
    r"/etc/(resolv\.conf|hosts|hostname|mtab|machine-id|ld\.so\.cache|\.pwd\.lock)$"
    r"|/etc/((passwd|shadow|group|gshadow|subuid|subgid)-)$"
    r"|/var/lib/(dpkg|apt|ucf|systemd|private|python|nginx|sudo|dbus|logrotate|fail2ban)(/|$)"
    r"|/\.ansible(/|$)|/__pycache__(/|$)|/\.cache(/|$)"
)
PASSING_UNITS = re.compile(
    r"session-|user@|user-runtime|run-|systemd-tmpfiles-clean|apt-daily|dpkg-db|logrotate|e2scrub|ssh@"
)


def run(*command: str) -> list[str]:
    """The lines a command prints."""
    return subprocess.run(command, capture_output=True, text=True, check=False).stdout.splitlines()


def describe(path: str) -> str:
    """Mode, owner and content of a file."""
    info = os.lstat(path)
    what = [oct(info.st_mode), str(info.st_uid), str(info.st_gid)]
    if stat.S_ISLNK(info.st_mode):
        what.append(os.readlink(path))
    elif stat.S_ISREG(info.st_mode):
        with open(path, "rb") as file:
            what.append(hashlib.sha256(file.read()).hexdigest()[:16])
    return " ".join(what)


def files() -> dict[str, str]:
    """Every file and directory below the roots."""
    found = {}
    for root in ROOTS:
        for directory, names, leaves in os.walk(root):
            for path in [directory] + [os.path.join(directory, leaf) for leaf in leaves]:
                if not VOLATILE.search(path):
                    found[path] = describe(path)
            names[:] = [name for name in names if not VOLATILE.search(os.path.join(directory, name))]
    return found


def units() -> dict[str, str]:
    """Every unit file with its enablement, every active or failed unit."""
    plain = ("--no-legend", "--no-pager", "--plain")
    found = {}
    for line in run("systemctl", "list-unit-files", *plain):
        name, state = line.split()[:2]
        if not PASSING_UNITS.match(name):
            found[name] = state
    for line in run("systemctl", "list-units", *plain, "--type=service,socket,timer", "--state=active,failed"):
        name, _load, active = line.split()[:3]
        if not PASSING_UNITS.match(name):
            found[name] = f"{found.get(name, '-')} {active}"
    return found


def rules() -> Iterable[str]:
    """The nftables ruleset without its counters and what is left of timeouts."""
    lines = run("nft", "list", "ruleset") if os.path.exists("/usr/sbin/nft") else []
    return (re.sub(r"packets \d+ bytes \d+| expires \w+", "", line) for line in lines)


print(
    json.dumps(
        {
            "files": files(),
            "units": units(),
            "rules": dict.fromkeys(rules(), "there"),
            "listeners": dict.fromkeys((line.split()[3] for line in run("ss", "-Hltn")), "open"),
            "sshd": dict.fromkeys(run("sshd", "-T"), "set"),
            "accounts": dict.fromkeys(run("getent", "passwd") + run("getent", "group"), "there"),
        }
    )
)
