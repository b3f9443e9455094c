# Copyright (c) 2026, stockade.fleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A login that is really a new one: the connection of a task, with the same means, but without its open session.

A session that is open goes on after sshd has locked everybody out, and hides it.

Note that this plugin util is **PRIVATE** to the collection. It can have breaking changes at any time.
"""

from __future__ import annotations

import contextlib
import copy
import shlex
import subprocess
import typing as t

from ansible.errors import AnsibleConnectionFailure

if t.TYPE_CHECKING:
    from ansible.plugins.action import ActionBase
    from ansible.plugins.connection import ConnectionBase

# Where ssh is told a thing twice, the first time counts.
_ALONE = "-o ControlMaster=no -o ControlPath=none -o ControlPersist=no"
_CONNECT = 10  # seconds until ssh gives a connection up, at most
_LISTS = {
    "kexalgorithms": "KexAlgorithms",
    "ciphers": "Ciphers",
    "macs": "MACs",
    "hostkeyalgorithms": "HostKeyAlgorithms",
}


def is_openssh(connection: ConnectionBase) -> bool:
    """Whether a connection is made by OpenSSH's client, whose options are known."""
    return str(connection.transport) == "ssh"


def offered(connection: ConnectionBase) -> dict[str, list[str]]:
    """Keyword to the algorithms that the controller's ssh would offer this host, and its name as ``program``."""
    program, host = connection.get_option("ssh_executable"), connection.get_option("host")
    arguments = [
        word
        for option in ("ssh_args", "ssh_common_args", "ssh_extra_args")
        for word in shlex.split(connection.get_option(option) or "")
    ]
    found = {"program": [_said(program, "-V").partition(",")[0].strip() or program]}
    for line in _said(program, *arguments, "-G", host).splitlines():
        keyword, _blank, names = line.partition(" ")
        if keyword in _LISTS:
            found[_LISTS[keyword]] = names.split(",")
    return found


def _said(*command: str) -> str:
    try:
        done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=_CONNECT, check=True)
    except (OSError, subprocess.SubprocessError):
        return ""
    return done.stdout.decode("ascii", "replace")


@contextlib.contextmanager
def new_login(action: ActionBase, *, port: int | None = None) -> t.Iterator[None]:
    """Within it, what the action does on the host goes through a connection of its own.

    It has the options of the task's connection (jump hosts, passwords and keys among them) and sends files rather than
    piping them, so that it shows that this works too. ``port`` is another port than the inventory's.
    """
    before = action._connection
    fresh = action._shared_loader_obj.connection_loader.get(before.transport, action._play_context)
    options = before.get_options()
    options["ssh_args"] = "{} {}".format(_ALONE, options.get("ssh_args") or "").strip()
    options["timeout"] = min(int(options.get("timeout") or _CONNECT), _CONNECT)
    options["pipelining"] = False
    options["reconnection_retries"] = 0
    if port is not None:
        options["port"] = port
    fresh.set_options(direct=options)
    fresh._shell = copy.copy(before._shell)
    fresh._shell.tmpdir = None
    fresh.set_become_plugin(before.become)
    action._connection = fresh
    try:
        yield
    finally:
        with contextlib.suppress(Exception):  # what it left on the host goes with the host's next boot
            action._remove_tmp_path(fresh._shell.tmpdir)
        fresh.close()
        action._connection = before


def anywhere(
    action: ActionBase, work: t.Callable[[], dict[str, t.Any]], port: object
) -> tuple[dict[str, t.Any], int | None]:
    """What ``work`` brings by the task's connection or, where nobody answers that, on the port a host moved to earlier.

    With the port, where it was that. Raises what the task's connection said if neither answers.
    """
    try:
        return work(), None
    except AnsibleConnectionFailure:
        if not str(port or "").isdigit():
            raise
        moved = int(str(port))
        with contextlib.suppress(AnsibleConnectionFailure), new_login(action, port=moved):
            return work(), moved
        raise
