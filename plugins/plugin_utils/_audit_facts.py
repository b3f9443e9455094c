# Copyright (c) 2026, stockade.fleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the rules of an audit look at: the facts of one host, made ready for JMESPath.

JMESPath neither subtracts nor looks from one place of the facts at another; what needs that stands under ``host``.

Note that this plugin util is **PRIVATE** to the collection. It can have breaking changes at any time.
"""

from __future__ import annotations

import ipaddress
import json
import typing as t

from ansible.errors import AnsibleError
from jinja2 import Undefined, UndefinedError

from ansible_collections.stockade.fleet.plugins.plugin_utils._audit_finding import plain

LIST = "list/"  # begins the source of a ban that a declared list made
# Big lists travel as one JSON text.
_PACKED = ("bans", "whitelist")


def facts_for_rules(
    name: str,
    facts: t.Mapping[str, t.Any],
    ssh: t.Mapping[str, t.Any] | None,
    variables: t.Mapping[str, t.Any],
    span: tuple[float, float] | None,
) -> dict[str, t.Any]:
    """Facts of ``ban_facts``, with ``ssh`` of ``ssh_info`` (None if it gave no answer) and ``host`` beside them.

    ``variables`` are those of the host, ``span`` the epoch seconds between which the host was asked. Raises ValueError
    for facts that cannot be read.
    """
    try:
        known = t.cast("dict[str, t.Any]", plain(facts))
        known["ssh"] = plain(ssh)
        for key in _PACKED:
            known[key] = _unpacked(known.get(key), key)
    except RecursionError:
        raise ValueError("its facts are nested too deeply") from None
    address = _controller(known["ssh"])
    known["host"] = {
        "name": name,
        "groups": groups_of(variables),
        "controller": str(address) if address else None,
        "controller_whitelisted": _covered(address, known["whitelist"]) if address else None,
        "lists_not_in_force": _not_in_force(variables, known.get("summary")),
        "clock_skew": _skew(known.get("collected_at"), span),
    }
    return known


def groups_of(variables: t.Mapping[str, t.Any]) -> list[str]:
    """Names of the groups a host is in."""
    return [plain(group) for group in _list(variables, "group_names") if isinstance(group, str)]


def _unpacked(value: t.Any, key: str) -> list[t.Any]:
    try:
        value = json.loads(value) if isinstance(value, str) else value or []
    except ValueError:
        value = None
    if not isinstance(value, list):
        raise ValueError("its facts cannot be read: %s is not a list" % key)
    return value


def _controller(ssh: t.Any) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    """The address from which this run reached the host, if it was by SSH."""
    connection = ssh.get("connection") if isinstance(ssh, dict) else None
    text = connection.get("address") if isinstance(connection, dict) else None
    try:
        address = ipaddress.ip_address(text.partition("%")[0]) if isinstance(text, str) else None
    except ValueError:
        return None
    # These are never banned, listed or not.
    return None if address is None or address.is_loopback or address.is_link_local else address


def _covered(address: ipaddress.IPv4Address | ipaddress.IPv6Address, whitelist: t.Iterable[t.Any]) -> bool:
    for entry in whitelist:
        try:
            if address in ipaddress.ip_network(entry["network"]):
                return True
        except (KeyError, TypeError, ValueError):
            continue
    return False


def _not_in_force(variables: t.Mapping[str, t.Any], summary: t.Any) -> list[str]:
    """Lists of permanent bans that the inventory declares and of which the host holds nothing."""
    sources = summary.get("by_source") if isinstance(summary, dict) else None
    if not isinstance(sources, dict) or _variable(variables, "stockade_bans_state") == "absent":
        return []
    declared = ["site"] if _list(variables, "stockade_permanent_bans") else []
    declared += ["site.%s" % name for name in _names(variables, "stockade_bans_files")]
    return [name for name in declared if LIST + name not in sources]


def _list(variables: t.Mapping[str, t.Any], name: str) -> t.Sequence[t.Any]:
    value = _variable(variables, name)
    return value if isinstance(value, (list, tuple)) else []


def _names(variables: t.Mapping[str, t.Any], name: str) -> list[t.Any]:
    """The names of a list of mappings; none where one of them cannot be rendered: core 2.19 renders each when asked."""
    try:
        return [plain(item.get("name")) for item in _list(variables, name) if isinstance(item, t.Mapping)]
    except (AnsibleError, UndefinedError):
        return []


def _variable(variables: t.Mapping[str, t.Any], name: str) -> t.Any:
    """A variable of the host; None if it is not there, or cannot be rendered outside of the play it is made for."""
    try:
        value = variables.get(name)
    except AnsibleError:
        return None
    return None if isinstance(value, Undefined) else value  # core 2.19 gives that instead of an error


def _skew(collected_at: t.Any, span: tuple[float, float] | None) -> int | None:
    """By how many seconds the host's clock is at least ahead of the controller's; negative if it is behind."""
    if span is None or not isinstance(collected_at, int) or isinstance(collected_at, bool):
        return None
    begun, ended = int(span[0]), int(span[1])
    return max(0, collected_at - ended) + min(0, collected_at - begun)
