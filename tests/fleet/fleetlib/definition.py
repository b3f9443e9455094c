# Copyright (c) 2026, stockade.fleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What fleet.toml says, checked and typed."""

from __future__ import annotations

import hashlib
import ipaddress
import os
import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

FLEET_DIR = Path(__file__).resolve().parent.parent
REPOSITORY = FLEET_DIR.parent.parent
BUILD_DIR = REPOSITORY / "build" / "fleet"
IMAGES = FLEET_DIR / "images"
CUSTOMIZE = IMAGES / "customize.sh"

# systemd's sandboxes, the firewall, packets of their own, PAM.
CAPABILITIES = ("NET_ADMIN", "NET_RAW", "SYS_ADMIN", "AUDIT_WRITE")


class FleetError(Exception):
    """Something a user must know or do; its text says what, why and the next step."""


@dataclass(frozen=True)
class Image:
    """A recipe for mmdebstrap."""

    name: str
    suite: str
    packages: tuple[str, ...]
    hook: Path | None = None  # run after CUSTOMIZE, for what is this image's alone

    @property
    def override(self) -> str:
        """The environment variable that takes another image instead of this one."""
        return "STOCKADE_FLEET_IMAGE_" + self.name.upper().replace("-", "_")

    @property
    def reference(self) -> str:
        """The image to use: the override, or our own name with a hash of the recipe as its tag."""
        chosen = os.environ.get(self.override)
        if chosen:
            return chosen
        recipe = repr((self.suite, self.packages)).encode() + CUSTOMIZE.read_bytes()
        recipe += self.hook.read_bytes() if self.hook else b""
        return f"localhost/stockade-fleet/{self.name}:{hashlib.sha256(recipe).hexdigest()[:12]}"


@dataclass(frozen=True)
class Host:
    """One test host."""

    name: str
    image: Image
    addresses: tuple[str, str]  # IPv4, IPv6
    groups: tuple[str, ...]
    listener: str  # "service" or "socket"
    capabilities: tuple[str, ...]  # beyond podman's own
    on_request: bool  # left alone by commands that name no host

    @property
    def mac(self) -> str:
        """A fixed, locally administered MAC, so that a recreated host needs no new neighbour entry anywhere."""
        return "02:73:66:" + ":".join(f"{octet:02x}" for octet in ipaddress.IPv4Address(self.addresses[0]).packed[1:])


@dataclass(frozen=True)
class Fleet:
    """The whole definition."""

    label: str
    user: str
    network: str
    subnets: tuple[str, ...]
    gateways: tuple[str, ...]
    hosts: dict[str, Host]

    @property
    def images(self) -> list[Image]:
        """The images in use, each once."""
        return list({host.image.name: host.image for host in self.hosts.values()}.values())

    def select(self, names: list[str]) -> list[Host]:
        """The hosts of these names; for an empty list all that are not `on_request`.

        Raises FleetError for a name that is not in the definition.
        """
        unknown = [name for name in names if name not in self.hosts]
        if unknown:
            raise FleetError(f"no test host named {', '.join(unknown)}; there are {', '.join(self.hosts)}")
        wanted = names or [host.name for host in self.hosts.values() if not host.on_request]
        return [self.hosts[name] for name in wanted]


def _host(name: str, data: dict[str, Any], images: dict[str, Image], subnets: tuple[str, ...]) -> Host:
    networks = [ipaddress.ip_network(subnet) for subnet in subnets]
    for address, network in zip(data["addresses"], networks, strict=True):
        if ipaddress.ip_address(address) not in network:
            raise FleetError(f"fleet.toml: {name} has {address}, which is not in {network}")
    if data["listener"] not in ("service", "socket"):
        raise FleetError(f"fleet.toml: {name} has listener {data['listener']!r}; it is service or socket")
    ipv4, ipv6 = data["addresses"]
    return Host(
        name=name,
        image=images[data["image"]],
        addresses=(ipv4, ipv6),
        groups=tuple(data["groups"]),
        listener=data["listener"],
        capabilities=tuple(data.get("capabilities", CAPABILITIES)),
        on_request=bool(data.get("on_request", False)),
    )


def load(path: Path = FLEET_DIR / "fleet.toml") -> Fleet:
    """Read the definition. Raises FleetError if it does not make sense."""
    try:
        data = tomllib.loads(path.read_text(encoding="utf-8"))
        common = data["images"].pop("packages")
        images = {
            name: Image(
                name=name,
                suite=image["suite"],
                packages=tuple(sorted({*common, *image["packages"]})),
                hook=IMAGES / image["hook"] if "hook" in image else None,
            )
            for name, image in data["images"].items()
        }
        subnets = tuple(data["network"]["subnets"])
        return Fleet(
            label=data["label"],
            user=data["user"],
            network=data["network"]["name"],
            subnets=subnets,
            gateways=tuple(data["network"]["gateways"]),
            hosts={name: _host(name, host, images, subnets) for name, host in data["hosts"].items()},
        )
    except (KeyError, ValueError) as error:
        raise FleetError(f"cannot read {path}: {error!r}") from error
