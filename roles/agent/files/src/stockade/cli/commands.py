# Copyright (c) 2026, stockade.fleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What each word of the command line asks the warden, and how the answer is shown."""

from __future__ import annotations

import argparse
import json
import sys
import time
from typing import Any

from stockade.cli import complain
from stockade.cli.tables import ago, coloured, left, minute, moment, table, until
from stockade.client import Client, WardenUnavailable
from stockade.durations import human
from stockade.protocol import INVALID, ProtocolError
from stockade.text import visible

BAN_COLUMNS = ("address", "source", "since", "left", "reason")
WHITELIST_COLUMNS = ("network", "list", "left", "comment")
STATES = {"banned": "banned", "renewed": "renewed, banned", "unchanged": "was banned already,"}
BY_HAND = "systemctl disable --now stockade-warden.socket stockade-warden.service; nft delete table inet stockade"
STATE_COLOURS = {"enforcing": "green", "released": "yellow", "degraded": "red"}
EVENTS = "/var/lib/stockade-watcher/events.db"


def ban(options: argparse.Namespace) -> int:
    """`stockade ban`."""
    extra = {} if options.duration is None else {"duration": options.duration}
    wanted = [{"network": text, "reason": options.reason, **extra} for text in _apart(options.networks)]
    result = Client().call("ban", bans=wanted, force=options.force)
    lines = []
    for item in result["results"]:
        holes = f", except {', '.join(item['holes'])}" if item["holes"] else ""
        message = f" ({visible(item['message'])})" if item["message"] else ""
        lines.append(f"{item['network']}: {STATES[item['state']]} {until(item['expires_at'])}{holes}{message}")
    return _show(options, result, lines)


def unban(options: argparse.Namespace) -> int:
    """`stockade unban`."""
    if bool(options.networks) == options.all:
        raise ProtocolError(INVALID, "name the addresses to unban, or --all (of a --source, if there is one)")
    source = {} if options.source is None else {"source": options.source}
    wanted = {"all": True} if options.all else {"networks": _apart(options.networks)}
    result = Client().call("unban", **wanted, **source)
    lines = []
    for item in result["results"]:
        lines.append(f"{item['network']}: {_lifted(item['lifted'])}")
        lines += [f"  still banned by {row['network']} ({visible(row['source'])})" for row in item["remaining"]]
        for name in sorted(
            row["source"].removeprefix("list/") for row in item["lifted"] if row["source"].startswith("list/")
        ):
            lines.append(
                f"  list `{visible(name)}` declares it: take it out there, or it is banned again with the next run"
            )
    if options.all and (more := result["total"] - len(result["results"])) > 0:
        lines.append(f"… and {more} more")
    return _show(options, result, lines or ["nothing was banned"])


def bans(options: argparse.Namespace) -> int:
    """`stockade bans`."""
    if options.why is not None:
        return _why(options)
    source = {} if options.source is None else {"source": options.source}
    result = Client().call("bans", limit=options.limit, **source)
    lines = table(BAN_COLUMNS, [_ban_row(row) for row in result["bans"]])
    if not result["total"]:
        lines = ["no bans" if options.source is None else f"no bans of {visible(options.source)}"]
    elif result["truncated"]:
        lines.append(f"… {result['total'] - len(result['bans'])} more (--limit {result['total']} shows all)")
    return _show(options, result, lines)


def _why(options: argparse.Namespace) -> int:
    from stockade.cli.why import sentences

    client = Client()
    result = client.call("why", address=options.why)
    return _show(options, result, [] if options.json else sentences(result, client.call("status")))


def whitelist(options: argparse.Namespace) -> int:
    """`stockade whitelist [show|add|remove]`."""
    client = Client()
    if options.action == "show":
        result = client.call("whitelist")
        rows = [(e["network"], e["list"], left(e["expires_at"]), visible(e["comment"])) for e in result["entries"]]
        lines = table(WHITELIST_COLUMNS, rows) if rows else ["no whitelist entries"]
        lines.append("always protected here: " + ", ".join(result["protected"]))
        return _show(options, result, lines)
    networks = _apart(options.networks)
    if options.action == "remove":
        result = client.call("whitelist_set", list=options.list, remove=networks)
    else:
        extra = {} if options.duration is None else {"duration": options.duration}
        entries = [{"network": text, "comment": options.comment, **extra} for text in networks]
        result = client.call("whitelist_set", list=options.list, entries=entries)
    lines = [f"{text}: added" for text in result["added"]] + [f"{text}: removed" for text in result["removed"]]
    lines += [f"{row['network']}: ban of {visible(row['source'])} lifted" for row in result["lifted"]]
    nothing = "nothing to change: list `%s` %s" % (
        visible(options.list),
        "holds that already" if options.action == "add" else "has no such entry (`stockade whitelist` shows all)",
    )
    return _show(options, result, lines or [nothing])


def status(options: argparse.Namespace) -> int:
    """`stockade status`; fails unless bans are in force."""
    from stockade.cli.service_status import read_watcher, watcher_lines

    try:
        result = Client().call("status")
    except WardenUnavailable:
        if (watcher := read_watcher()) is not None and not options.json:  # which bans wait is of use all the more
            print("\n".join(watcher_lines(watcher)))
        raise
    state = coloured(result["state"], STATE_COLOURS.get(result["state"], "red"))
    copied = result.get("copied_at")  # here and below: a warden of the version before does not say it
    lines = [
        f"state      {state} ({visible(result['backend'])})",
        *(f"{coloured('problem', 'red')}    {visible(text)}" for text in result["problems"]),
        *(f"{coloured('warning', 'yellow')}    {visible(text)}" for text in result.get("warnings", [])),
        f"bans       {result['bans']} on {result['networks']} networks",
        *(f"           {count:>6}  {visible(source)}" for source, count in result["callers"].items()),
        f"whitelist  {result['whitelist']} entries",
        f"history    {result.get('history', 0)} ended bans; last copy {'never' if copied is None else ago(copied)}",
        f"warden     {visible(result['version'])} on {visible(result['origin'])}, up"
        f" {human(max(0, int(time.time()) - result['started_at']))} since {moment(result['started_at'])}",
    ]
    if (watcher := read_watcher()) is not None:
        result["watcher"] = watcher
        lines += watcher_lines(watcher)
    _show(options, result, lines)
    return 0 if result["state"] == "enforcing" else 1


def report(options: argparse.Namespace) -> int:
    """`stockade report`."""
    if options.kind is not None:
        from stockade.cli.report_host import report as of_the_host

        return of_the_host(options)
    from stockade.cli.report import report as shown

    # Only here, so that whoever gives them to the report of the host can be told that they do nothing there.
    options.limit = 100 if options.limit is None else options.limit
    options.events = options.events or EVENTS
    return shown(options)


def release(options: argparse.Namespace) -> int:
    """`stockade release`."""
    try:
        result = Client().call("release")
    except WardenUnavailable as error:
        if not isinstance(error.__context__, PermissionError):
            complain(f"without the warden, as root: {BY_HAND}")
        raise
    return _show(options, result, ["released: nothing is refused on this host until `stockade resume`"])


def resume(options: argparse.Namespace) -> int:
    """`stockade resume`."""
    result = Client().call("resume")
    return _show(options, result, ["enforcing" if result["changed"] else "was not released: enforcing"])


def check(options: argparse.Namespace) -> int:
    """`stockade check`: the configuration files, without the services. One that is not there is not wrong."""
    from os.path import exists
    from pathlib import Path

    from stockade.config import ConfigError
    from stockade.report import config as report_config
    from stockade.warden import config as warden_config
    from stockade.watcher.samples import check_file as check_watcher

    problems = [
        f"{given}: no such file"
        for given in (options.warden_config, options.watcher_config, options.report_config)
        if given is not None and not exists(given)
    ]
    for read, given, default in (
        (warden_config.read, options.warden_config, options.defaults["warden"]),
        (report_config.read, options.report_config, options.defaults["report"]),
    ):
        try:
            read(Path(given or default))
        except ConfigError as error:
            problems.append(str(error))
    watcher_file = Path(options.watcher_config or options.defaults["watcher"])
    if exists(watcher_file):
        problems += check_watcher(watcher_file)
    lines = [visible(text, 1000) for text in problems]
    _show(options, {"problems": problems}, lines or ["configuration is valid"])
    return 2 if problems else 0


def _apart(texts: list[str]) -> list[str]:
    """Addresses that stand apart by commas or blanks, as the modules take them; each once."""
    if blank := [text for text in texts if not text.replace(",", " ").strip()]:
        raise ProtocolError(INVALID, f"{blank[0]!r} is no address")
    found = list(dict.fromkeys(part for text in texts for part in text.replace(",", " ").split()))
    if not found:
        raise ProtocolError(INVALID, "name at least one address")
    return found


def _lifted(rows: list[dict[str, Any]]) -> str:
    return f"lifted ({', '.join(visible(row['source']) for row in rows)})" if rows else "was not banned"


def _ban_row(row: dict[str, Any]) -> tuple[str, ...]:
    since, rest = minute(row["banned_at"]), left(row["expires_at"])
    return row["network"], visible(row["source"]), since, rest, visible(row["reason"])


def _show(options: argparse.Namespace, result: dict[str, Any], lines: list[str]) -> int:
    if options.json:
        print(json.dumps(result, indent=2 if sys.stdout.isatty() else None))
    else:
        print("\n".join(lines))
    return 0
