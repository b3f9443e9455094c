# Copyright (c) 2026, stockade.fleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a controller needs to reach the hosts: key pair, pinned host keys, ssh configuration, Ansible inventory."""

from __future__ import annotations

import os
import threading
from pathlib import Path

from .definition import BUILD_DIR, Fleet, Host
from .podman import run

KEY = BUILD_DIR / "id_ed25519"
KNOWN_HOSTS = BUILD_DIR / "known_hosts"
SSH_CONFIG = BUILD_DIR / "ssh_config"
INVENTORY = BUILD_DIR / "inventory.yml"
JAILS = BUILD_DIR / "jails.yml"
CLIENTS = BUILD_DIR / "clients.yml"
_KEY_IS_MADE = threading.Lock()


def _hand_over(path: Path) -> None:
    """Give a file that root made under sudo to the person who called sudo."""
    if "SUDO_UID" in os.environ:
        os.chown(path, int(os.environ["SUDO_UID"]), int(os.environ["SUDO_GID"]))


def _write(path: Path, text: str) -> None:
    """Replace a file in one step: others may be reading it."""
    if path.exists() and path.read_text(encoding="utf-8") == text:
        return
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    temporary.write_text(text, encoding="utf-8")
    _hand_over(temporary)
    temporary.replace(path)


def public_key() -> str:
    """The public half of the login key; the pair is made once, whichever of the hosts' threads comes first."""
    with _KEY_IS_MADE:
        return _public_key()


def _public_key() -> str:
    for directory in (BUILD_DIR.parent, BUILD_DIR):
        if not directory.exists():
            directory.mkdir(parents=True)
            _hand_over(directory)
    if not KEY.exists():
        run("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "stockade.fleet test hosts", "-f", str(KEY))
        _hand_over(KEY)
        _hand_over(KEY.with_suffix(".pub"))
    return KEY.with_suffix(".pub").read_text(encoding="utf-8").strip()


def write(fleet: Fleet, host_keys: dict[str, list[str]]) -> None:
    """Write known_hosts, ssh_config and three inventories: the servers; those for fail2ban, which plays on all servers
    leave alone; and the clients, which are no hosts of the fleet.

    `host_keys` maps a host's name to its public keys.
    """
    public_key()
    known = []
    for name, keys in sorted(host_keys.items()):
        names = ",".join([name, *fleet.hosts[name].addresses])
        known += [f"{names} {' '.join(key.split()[:2])}" for key in sorted(keys)]
    _write(KNOWN_HOSTS, "\n".join(known) + "\n")

    blocks = [
        f"Host {host.name} {' '.join(host.addresses)}\n  HostKeyAlias {host.name}\n" for host in fleet.hosts.values()
    ]
    blocks += [f"Host {host.name}\n  HostName {host.addresses[0]}\n" for host in fleet.hosts.values()]
    blocks.append(
        f"Host {' '.join(f'{h.name} {h.addresses[0]} {h.addresses[1]}' for h in fleet.hosts.values())}\n"
        f"  User {fleet.user}\n"
        f'  IdentityFile "{KEY}"\n'
        "  IdentitiesOnly yes\n"
        f'  UserKnownHostsFile "{KNOWN_HOSTS}"\n'
        "  StrictHostKeyChecking yes\n"
        "  ConnectTimeout 10\n"
    )
    _write(SSH_CONFIG, "".join(blocks))
    servers = [host for host in fleet.hosts.values() if "servers" in host.groups]
    jails = [host for host in fleet.hosts.values() if "jails" in host.groups]
    _write(INVENTORY, _inventory(fleet, servers))
    _write(JAILS, _inventory(fleet, jails))
    _write(CLIENTS, _inventory(fleet, [host for host in fleet.hosts.values() if host not in servers + jails]))


def _inventory(fleet: Fleet, hosts: list[Host]) -> str:
    options = f"-o UserKnownHostsFile='\"{KNOWN_HOSTS}\"' -o StrictHostKeyChecking=yes -o IdentitiesOnly=yes"
    lines = [
        "# Written by tests/fleet/fleet.py; the hosts are defined in tests/fleet/fleet.toml.",
        "---",
        "all:",
        "  vars:",
        f"    ansible_user: {fleet.user}",
        f"    ansible_ssh_private_key_file: {_quoted(str(KEY))}",
        f"    ansible_ssh_common_args: {_quoted(options)}",
        "    ansible_python_interpreter: /usr/bin/python3",
        "  hosts:",
    ]
    for host in hosts:
        lines += [
            f"    {host.name}:",
            f"      ansible_host: {host.addresses[0]}",
            f"      fleet_ipv4: {_quoted(host.addresses[0])}",
            f"      fleet_ipv6: {_quoted(host.addresses[1])}",
        ]
    lines.append("  children:")
    for group in dict.fromkeys(group for host in hosts for group in host.groups):
        lines += [f"    {group}:", "      hosts:"]
        lines += [f"        {host.name}:" for host in hosts if group in host.groups]
    return "\n".join(lines) + "\n"


def _quoted(text: str) -> str:
    """A YAML single-quoted scalar."""
    return "'" + text.replace("'", "''") + "'"
