# Copyright (c) 2026, stockade.fleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""From the arguments of the modules ``fail2ban_jails``, ``fail2ban_filters`` and ``fail2ban_actions`` to what is to be.

Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.
"""

from __future__ import annotations

import datetime
import ipaddress
import os
from typing import Any, Callable

from .._errors import StockadeError
from . import _names
from ._banaction import resolve
from ._converge import Host, Wish
from ._declare_filters import render_action, render_filter
from ._declare_jails import render, values, wants_running
from ._detect import fit
from ._files import ACTIONS, FILTERS, JAILS, SUFFIX, Kind, ManagedFiles
from ._plan import Declared, Plan
from ._specs import ACTION, FILTER, JAIL, Told, entries, validated
from ._text import check_names, quoted, references


def wish_jails(params: dict[str, Any], host: Host, check: bool) -> Told:
    """What ``fail2ban_jails`` is asked for. Raises StockadeError for what cannot be declared."""
    jails, absent = entries(params, "jails", JAIL), params["state"] == "absent"
    names = check_names(JAILS, jails)
    left_out: list[dict[str, str]] = []
    said: list[str] = []
    filters, actions = _listed(params, "filters", FILTER), _listed(params, "actions", ACTION)
    if not absent:
        jails, left_out = fit(jails, run=host.run, find=host.find)
        brought = {str(entry.get("name")) for entry in filters or []}
        jails = [_with_filter(jail, host.config_dir, brought) for jail in jails]
        present = ManagedFiles(host.config_dir, JAILS).read().values()
        jails, said = resolve(jails, present=present, check=check, find=host.find, run=host.run)
    texts: dict[str, str | None] = dict.fromkeys(names)  # one that is left out here is as one that is absent
    if not absent:
        named = _names.in_jails(host.config_dir) | references(values(jails))
        texts.update({jail["name"]: JAILS.header + "\n" + render(jail, named=named) for jail in jails})
    declared = [Declared(JAILS, texts, params["prune"])]
    if filters is not None:
        declared.append(_declared(FILTERS, filters, params, host, render_filter))
    if actions is not None:
        declared.append(_declared(ACTIONS, actions, params, host, render_action))
    running = {jail["name"]: wants_running(jail) for jail in jails} if not absent else {}
    plan = Plan(
        host.config_dir,
        declared,
        on=[name for name, wanted in running.items() if wanted is True],
        off=[name for name, wanted in running.items() if wanted is False],
    )
    wish = Wish(
        plan=plan,
        samples={} if absent else samples(filters or []),
        options={jail["name"]: {*jail, *(jail.get("options") or {})} for jail in jails},
        logpaths={jail["name"]: jail["logpath"] for jail in jails if running.get(jail["name"]) and _plain_paths(jail)},
        absent=absent,
        start=params["start"],
    )
    # not "skipped", which is Ansible's own word for a task that did nothing
    return wish, {"left_out": left_out} if not absent else {}, said


def wish_filters(params: dict[str, Any], host: Host, check: bool) -> Told:
    """What ``fail2ban_filters`` is asked for. Raises StockadeError for what cannot be declared."""
    return _wish_of(FILTERS, entries(params, "filters", FILTER), params, host, render_filter)


def wish_actions(params: dict[str, Any], host: Host, check: bool) -> Told:
    """What ``fail2ban_actions`` is asked for. Raises StockadeError for what cannot be declared."""
    return _wish_of(ACTIONS, entries(params, "actions", ACTION), params, host, render_action)


def samples(filters: list[dict[str, Any]]) -> dict[str, Any]:
    """Return filter -> sample lines, for those that have some; raises StockadeError for a sample that says nothing."""
    found = {}
    for entry in filters:
        given = entry.get("samples")
        if not given:
            continue
        where = "filter %s" % quoted(str(entry["name"]))
        for sample in given["must_match"]:
            _check_sample(where, sample)
        if not given["must_match"] and not given["must_not_match"]:
            raise StockadeError("%s: samples are given, but no line" % where)
        options = {str(key): str(value) for key, value in (given.get("options") or {}).items()}
        found[entry["name"]] = dict(
            given,
            options=options,
            allow_open=bool(entry.get("allow_open")),
            expressions=bool(entry.get("failregex")),  # not those of the distribution that this one lies over
        )
    return found


def _wish_of(
    kind: Kind, listed: list[dict[str, Any]], params: dict[str, Any], host: Host, render_one: Callable[..., str]
) -> Told:
    absent = params["state"] == "absent"
    wish = Wish(
        plan=Plan(host.config_dir, [_declared(kind, listed, params, host, render_one)]),
        samples=samples(listed) if kind is FILTERS and not absent else {},
        options={},
        logpaths={},
        absent=absent,
        start=False,
    )
    return wish, {}, []


def _declared(
    kind: Kind, listed: list[dict[str, Any]], params: dict[str, Any], host: Host, render_one: Callable[..., str]
) -> Declared:
    texts: dict[str, str | None] = {}
    for name, entry in zip(check_names(kind, listed), listed):
        named = _names.in_file(host.config_dir, kind, name)
        texts[name] = None if params["state"] == "absent" else kind.header + "\n" + render_one(entry, named=named)
    return Declared(kind, texts, params["prune"])


def _listed(params: dict[str, Any], plural: str, spec: dict[str, Any]) -> list[dict[str, Any]] | None:
    return None if params[plural] is None else validated(plural, params[plural], spec)


def _with_filter(jail: dict[str, Any], config_dir: str, brought: set[str]) -> dict[str, Any]:
    """Return the jail without a filter if it has expressions of its own and nothing has its name."""
    name = str(jail.get("name"))
    alone = jail.get("failregex") and jail.get("filter") is None and name != "DEFAULT" and name not in brought
    paths = [os.path.join(config_dir, FILTERS.directory, name + suffix) for suffix in (".conf", SUFFIX)]
    return dict(jail, filter="") if alone and not any(map(os.path.exists, paths)) else jail


def _plain_paths(jail: dict[str, Any]) -> bool:
    paths = jail.get("logpath") or []
    return bool(paths) and not any("%(" in path for path in paths)


def _check_sample(where: str, sample: dict[str, Any]) -> None:
    """Raise StockadeError for an expected address or time that is none."""
    try:
        ipaddress.ip_address(sample["address"])
    except ValueError:
        raise StockadeError("%s: sample address %s is no address" % (where, quoted(sample["address"]))) from None
    try:
        datetime.datetime.fromisoformat(sample["time"] or "2000-01-01")
    except ValueError:
        raise StockadeError(
            "%s: sample time %s is no time such as 2026-03-29T01:30:00+00:00" % (where, quoted(sample["time"]))
        ) from None
