# Copyright (c) 2026, stockade.fleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Run the test hosts: see README.md beside this file."""

from __future__ import annotations

import argparse
import contextlib
import fcntl
import os
import sys
from collections.abc import Iterator
from pathlib import Path

from fleetlib import hosts, images, inventory, leftovers
from fleetlib.definition import Fleet, FleetError, load
from fleetlib.podman import ENVIRONMENT, become_root, podman, say

LOCK = Path("/run/lock/stockade-fleet.lock")


@contextlib.contextmanager
def one_at_a_time() -> Iterator[None]:
    """Let one command change the fleet at a time; the kernel frees the lock of a killed one."""
    with LOCK.open("w", encoding="utf-8") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            say("waiting for another fleet.py to finish")
            fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def up(fleet: Fleet, names: list[str], *, fresh: bool = False) -> None:
    """Make the hosts run; with `fresh`, from nothing."""
    wanted = fleet.select(names)
    present = leftovers.clear(fleet)
    images.build(fleet, [image for image in fleet.images if image in {host.image for host in wanted}])
    if fresh:
        for host in wanted:
            if host.name in present:
                leftovers.remove_container(present.pop(host.name))
    hosts.ensure_network(fleet)
    hosts.bring_up(fleet, wanted, present)
    say(f"up: {', '.join(host.name for host in wanted)}; inventory in {inventory.INVENTORY}")


def down(fleet: Fleet, *, with_images: bool) -> None:
    """Remove the hosts and their network, and on request the images."""
    found = leftovers.containers(fleet)
    for container in found.values():
        leftovers.remove_container(container)
        say(f"{container.name}: removed")
    leftovers.remove_network(fleet)
    if with_images:
        images.remove(fleet, keep_current=False)
    say("down")


def restart(fleet: Fleet, names: list[str]) -> None:
    """Reboot hosts, keeping their files, and wait until they answer."""
    wanted = fleet.select(names)
    for host in wanted:
        podman("restart", "--time", "30", host.name)
        say(f"{host.name}: restarted")
    hosts.write_inventory(fleet, {host.name for host in wanted})
    for host in wanted:
        hosts.wait_login(host)
        say(f"{host.name}: ready")


def status(fleet: Fleet) -> None:
    """Print a table of the hosts."""
    found = leftovers.containers(fleet)
    row = "{:<10} {:<16} {:<9} {:<12} {:<16} {}"
    print(row.format("HOST", "IMAGE", "STATE", "SYSTEMD", "IPV4", "IPV6"))
    for host in fleet.hosts.values():
        state = found[host.name].state if host.name in found else "absent"
        system = hosts.ask(fleet, host).system if state == "running" else "-"
        print(row.format(host.name, host.image.name, state, system, *host.addresses))


def parse(arguments: list[str]) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    commands.add_parser("images", help="build the images that are missing")
    for name, text in (
        ("up", "make the hosts run (all without HOST) and write the inventory"),
        ("reset", "make hosts again from nothing"),
        ("restart", "reboot hosts, keeping their files"),
    ):
        command = commands.add_parser(name, help=text)
        command.add_argument("hosts", metavar="HOST", nargs="*" if name == "up" else "+")
    commands.add_parser("down", help="remove hosts and network").add_argument(
        "--images", action="store_true", help="and the images"
    )
    commands.add_parser("status", help="show the hosts")
    commands.add_parser("inventory", help="write build/fleet/inventory.yml, ssh_config and known_hosts")
    execute = commands.add_parser("exec", help="run a command on a host as root, past its network")
    execute.add_argument("host", metavar="HOST")
    execute.add_argument("words", metavar="COMMAND", nargs=argparse.REMAINDER)
    return parser.parse_args(arguments)


def main(arguments: list[str]) -> int:
    """Do what the command line says; exit code 1 with one line on standard error if it cannot be done."""
    options = parse(arguments)
    become_root()
    try:
        fleet = load()
        if options.command == "exec":
            host = fleet.select([options.host])[0]
            os.execvpe("podman", ["podman", "exec", "-i", host.name, *options.words], ENVIRONMENT)
        leftovers.make_podman_answer()
        if options.command == "status":
            status(fleet)
            return 0
        with one_at_a_time():
            if options.command == "images":
                images.build(fleet, fleet.images)
                images.remove(fleet, keep_current=True)
                say("images: present")
            elif options.command in ("up", "reset"):
                up(fleet, options.hosts, fresh=options.command == "reset")
            elif options.command == "restart":
                restart(fleet, options.hosts)
            elif options.command == "down":
                down(fleet, with_images=options.images)
            else:
                hosts.write_inventory(fleet)
    except FleetError as error:
        print(f"fleet: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
