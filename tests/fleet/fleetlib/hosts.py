# Copyright (c) 2026, stockade.fleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Making, starting and asking the hosts."""

from __future__ import annotations

import hashlib
import ipaddress
import json
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from . import inventory, leftovers, machine
from .definition import Fleet, FleetError, Host
from .leftovers import Container
from .podman import podman, query, run, say, succeeds

# To be raised when what _prepare() puts into a host changes.
LAYOUT = 2
# Seconds for a host to boot and answer; about 3 are usual.
BOOT_DEADLINE = 90.0


@dataclass(frozen=True)
class Answer:
    """What a host says about itself."""

    system: str  # of `systemctl is-system-running`
    host_keys: list[str]
    authorized: bool  # our key opens the login


def ensure_network(fleet: Fleet) -> None:
    """Create the fleet's network unless it is as defined.

    Raises FleetError if the machine itself uses some of its addresses: taking them would cut the machine off.
    """
    if succeeds("network", "exists", fleet.network):
        [found] = query("network", "inspect", fleet.network)
        if {entry["subnet"] for entry in found["subnets"]} == set(fleet.subnets):
            return
        say(f"network {fleet.network}: has other addresses than fleet.toml says, making it again")
        for container in leftovers.containers(fleet).values():
            leftovers.remove_container(container)
        leftovers.remove_network(fleet)
    for route in (route for family in ("-4", "-6") for route in json.loads(run("ip", "-json", family, "route").stdout)):
        if route["dst"] == "default":
            continue
        taken = ipaddress.ip_network(route["dst"], strict=False)
        for wanted in map(ipaddress.ip_network, fleet.subnets):
            if taken.version == wanted.version and taken.overlaps(wanted):
                raise FleetError(
                    f"cannot create network {fleet.network}: {wanted} overlaps {taken}, which this machine uses on"
                    f" {route.get('dev', '?')}; change the addresses in tests/fleet/fleet.toml"
                )
    options = ["--ipv6", "--disable-dns", "--label", fleet.label]
    for subnet, gateway in zip(fleet.subnets, fleet.gateways, strict=True):
        options += ["--subnet", subnet, "--gateway", gateway]
    podman("network", "create", *options, fleet.network)
    say(f"network {fleet.network}: {', '.join(fleet.subnets)}")


def recipe(fleet: Fleet, host: Host) -> str:
    """A hash of everything a host is made from: a host with another recipe is made again."""
    image_id = podman("image", "inspect", "--format", "{{.Id}}", host.image.reference)
    parts = (LAYOUT, host.name, host.addresses, host.listener, host.capabilities, image_id, fleet.network, fleet.user)
    return hashlib.sha256(repr(parts).encode()).hexdigest()[:16]


def create(fleet: Fleet, host: Host) -> None:
    """Make a host, not yet started. It has its name only when it is finished: a killed run leaves no half host."""
    unfinished = f"{host.name}.unfinished"
    names = [f"--add-host={other.name}:{address}" for other in fleet.hosts.values() for address in other.addresses]
    podman(
        "create",
        f"--name={unfinished}",
        f"--hostname={host.name}",
        f"--label={fleet.label}",
        f"--label=stockade.fleet.recipe={recipe(fleet, host)}",
        "--systemd=always",
        f"--cap-add={','.join(host.capabilities)}",
        f"--network={fleet.network}",
        f"--ip={host.addresses[0]}",
        f"--ip6={host.addresses[1]}",
        f"--mac-address={host.mac}",
        *names,
        host.image.reference,
    )
    root = Path(podman("mount", unfinished))
    try:
        _prepare(root, fleet, host)
    finally:
        podman("unmount", unfinished)
    podman("rename", unfinished, host.name)


def _prepare(root: Path, fleet: Fleet, host: Host) -> None:
    """Give a host what is its own: host keys, our login key, its listener, the way to the package archive."""
    run("ssh-keygen", "-q", "-A", "-f", str(root))
    keys = root / "home" / fleet.user / ".ssh" / "authorized_keys"
    keys.parent.mkdir(mode=0o700)
    keys.write_text(inventory.public_key() + "\n", encoding="utf-8")
    keys.chmod(0o600)
    run("chroot", str(root), "chown", "-R", f"{fleet.user}:", f"/home/{fleet.user}/.ssh")
    if host.listener == "socket":
        run("chroot", str(root), "systemctl", "--quiet", "disable", "ssh.service")
        run("chroot", str(root), "systemctl", "--quiet", "enable", "ssh.socket")
    machine.hand_on(root, host.image.suite)
    # Nothing is to be rebuilt at the first boot.
    for stamp in (root / "etc/.updated", root / "var/.updated"):
        stamp.touch()


def ask(fleet: Fleet, host: Host) -> Answer:
    """Ask a running host how it is, past its network."""
    script = (
        "systemctl is-system-running 2>/dev/null || true; "
        'grep -qxF "$2" "/home/$1/.ssh/authorized_keys" && echo yes || echo no; '
        "cat /etc/ssh/ssh_host_*_key.pub 2>/dev/null || true"
    )
    words = podman("exec", host.name, "sh", "-c", script, "sh", fleet.user, inventory.public_key(), check=False)
    lines = words.splitlines() or [""]
    if lines[0] in ("yes", "no"):  # systemd is not there yet
        lines.insert(0, "")
    return Answer(system=lines[0], host_keys=lines[2:], authorized=lines[1:2] == ["yes"])


def authorize(fleet: Fleet, host: Host) -> None:
    """Add our key to a host that another checkout made."""
    script = 'echo "$2" >>"/home/$1/.ssh/authorized_keys"'
    podman("exec", host.name, "sh", "-c", script, "sh", fleet.user, inventory.public_key())
    say(f"{host.name}: added this checkout's login key")


def wait_booted(fleet: Fleet, host: Host) -> Answer:
    """Wait until a started host's systemd has finished. Raises FleetError at the deadline, with what is missing."""
    deadline = time.monotonic() + BOOT_DEADLINE
    while True:
        answer = ask(fleet, host)
        if answer.system in ("running", "degraded"):
            break
        if time.monotonic() > deadline:
            raise FleetError(
                f"{host.name}: systemd is {answer.system or 'not there'} after {BOOT_DEADLINE:.0f} s;"
                f" see: podman logs {host.name}; podman exec {host.name} systemctl list-jobs"
            )
        time.sleep(0.1)
    if answer.system == "degraded":
        failed = podman("exec", host.name, "systemctl", "--failed", "--plain", "--no-legend", check=False)
        say(f"{host.name}: degraded, failed units: {', '.join(line.split()[0] for line in failed.splitlines())}")
    return answer


def wait_login(host: Host) -> None:
    """Wait until a login over SSH succeeds. Raises FleetError at the deadline, with ssh's reason."""
    deadline = time.monotonic() + BOOT_DEADLINE
    while True:
        options = ("-F", str(inventory.SSH_CONFIG), "-o", "BatchMode=yes")
        login = run("ssh", *options, host.name, "sudo", "-n", "true", check=False)
        if login.returncode == 0:
            return
        if time.monotonic() > deadline:
            raise FleetError(f"{host.name}: no login over SSH after {BOOT_DEADLINE:.0f} s: {login.stderr.strip()}")
        time.sleep(0.2)


def bring_up(fleet: Fleet, wanted: list[Host], present: dict[str, Container]) -> None:
    """Make and start what is missing of these hosts, wait until they answer, and write the inventory.

    Hosts that run are left alone: what a test did to them (a ban of this machine, say) is the test's business.
    """

    def start(host: Host) -> bool:
        container = present.get(host.name)
        if container and container.recipe != recipe(fleet, host):
            say(f"{host.name}: its definition or image changed, making it again")
            leftovers.remove_container(container)
            container = None
        if container and container.state == "running":
            return False
        if not container:
            create(fleet, host)
        podman("start", host.name)
        say(f"{host.name}: {'started' if container else 'created'}")
        return True

    with ThreadPoolExecutor(max_workers=len(fleet.hosts)) as pool:
        started = dict(zip([host.name for host in wanted], pool.map(start, wanted), strict=True))
        write_inventory(fleet, {host.name for host in wanted if started[host.name]})

        def finish(host: Host) -> None:
            wait_login(host)
            say(f"{host.name}: ready at {' and '.join(host.addresses)}")

        list(pool.map(finish, [host for host in wanted if started[host.name]]))


def write_inventory(fleet: Fleet, booting: set[str] | None = None) -> None:
    """Write the inventory with the real keys of all hosts that run, waiting first for those still booting."""
    running = [name for name, found in leftovers.containers(fleet).items() if found.state == "running"]

    def answer(name: str) -> tuple[str, Answer]:
        host = fleet.hosts[name]
        said = wait_booted(fleet, host) if name in (booting or set()) else ask(fleet, host)
        if not said.authorized and said.host_keys:
            authorize(fleet, host)
        return name, said

    with ThreadPoolExecutor(max_workers=len(fleet.hosts)) as pool:
        answers = list(pool.map(answer, [name for name in running if name in fleet.hosts]))
    inventory.write(fleet, {name: said.host_keys for name, said in answers})
