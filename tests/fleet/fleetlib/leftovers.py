# Copyright (c) 2026, stockade.fleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Clearing what a killed run left behind, and nothing that is not the fleet's.

Where /run lies on a disk, podman does not notice that the machine was restarted: its database says "running" for
containers whose processes, mounts and network namespaces are gone. So the processes themselves are asked.
"""

from __future__ import annotations

import os
import re
import shutil
import signal
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from .definition import Fleet, FleetError
from .podman import podman, query, run, say, succeeds

RUNC_STATE = Path("/run/runc")


@dataclass(frozen=True)
class Container:
    """What podman has on record about one of the fleet's containers, and whether it is true."""

    name: str
    id: str
    recipe: str
    state: str  # "running", "stopped", or "dead": on record as running although it is not


def _belongs(pid: int, container_id: str, file: str) -> bool:
    try:
        return pid > 0 and container_id in Path(f"/proc/{pid}/{file}").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return False


def _state(found: dict[str, Any]) -> str:
    state = found["State"]
    if state["Status"] not in ("running", "paused", "stopping"):
        return "stopped"
    # podman has to have both: the container's init in its cgroup, and the monitor that notes its end.
    init = _belongs(state["Pid"], found["Id"], "cgroup")
    monitor = _belongs(state["ConmonPid"], found["Id"], "cmdline")
    return "running" if init and monitor else "dead"


def make_podman_answer() -> None:
    """Let podman answer although network namespaces it has on record are gone.

    It refuses every command, for every container of the machine, while the file of one is not a namespace. An empty
    namespace in its place does, and goes away with the container.
    """
    for _attempt in range(64):
        asked = run("podman", "ps", "--all", "--quiet", check=False)
        gone = set(re.findall(r"retrieving network namespace at (/run/netns/netns-[0-9a-f-]+): ", asked.stderr))
        if asked.returncode == 0 or not gone:
            return
        for path in sorted(gone):
            Path(path).touch()
            run("unshare", f"--net={path}", "true")


def containers(fleet: Fleet) -> dict[str, Container]:
    """The containers that carry the fleet's label, by name."""
    # A container of somebody's own inherits the label from our images, but not the recipe.
    labels = ["--filter", f"label={fleet.label}", "--filter", "label=stockade.fleet.recipe"]
    ids = podman("ps", "--all", "--quiet", "--no-trunc", *labels).split()
    if not ids:
        return {}
    result = {}
    for found in query("inspect", "--type", "container", *ids):
        recipe = found["Config"]["Labels"]["stockade.fleet.recipe"]
        container = Container(found["Name"], found["Id"], recipe, _state(found))
        result[container.name] = container
    return result


def remove_container(container: Container) -> None:
    """Remove a container, however broken its state is. Raises FleetError if podman still has it afterwards."""
    for attempt in ("as podman does", "after clearing its state"):
        try:
            podman("rm", "--force", "--time", "5", "--volumes", container.id, timeout=40.0)
        except FleetError as error:
            failure = error
        else:
            return
        if not succeeds("container", "exists", container.id):
            return
        if attempt == "as podman does":
            _clear_state(container.id)
    raise FleetError(f"cannot remove the container {container.name}: {failure}")


def _clear_state(container_id: str) -> None:
    """End a container's processes, mounts and runtime state without podman's help."""
    for process in Path("/proc").iterdir():
        if process.name.isdigit():
            pid = int(process.name)
            monitor = _belongs(pid, container_id, "cmdline") and _belongs(pid, "conmon", "comm")
            if monitor or _belongs(pid, container_id, "cgroup"):
                os.kill(pid, signal.SIGKILL)
    run("runc", "delete", "--force", container_id, check=False)
    shutil.rmtree(RUNC_STATE / container_id, ignore_errors=True)
    mounts = [line.split()[1] for line in Path("/proc/self/mounts").read_text(encoding="utf-8").splitlines()]
    for mount in reversed(mounts):
        if container_id in mount:
            run("umount", "--lazy", mount, check=False)


def clear(fleet: Fleet) -> dict[str, Container]:
    """Remove the fleet's containers that are dead, unfinished or no longer defined; return the others by name."""
    found = containers(fleet)
    for container in list(found.values()):
        if container.state == "dead" or container.name not in fleet.hosts:
            say(f"{container.name}: clearing what an earlier run left")
            _clear_state(container.id)
            remove_container(container)
            del found[container.name]
    for name in fleet.hosts:
        if name not in found:
            _free_name(name)
    return found


def _free_name(name: str) -> None:
    """Remove a container that storage knows and podman does not: one killed while it was being made."""
    for other in query("ps", "--all", "--external", "--filter", f"name=^{name}$", "--format", "json"):
        if not str(other.get("Image", "")).startswith("localhost/stockade-fleet/") or other.get("State") != "storage":
            raise FleetError(
                f"a container named {name} exists and is not the fleet's: rename it (podman rename) and try again"
            )
        podman("rm", "--force", other["Id"])


def remove_network(fleet: Fleet) -> None:
    """Remove the fleet's network if it exists. Raises FleetError if a container that is not the fleet's uses it."""
    if succeeds("network", "exists", fleet.network):
        podman("network", "rm", fleet.network)
