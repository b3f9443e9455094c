# Copyright (c) 2026, stockade.fleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What each word of the command line asks the warden, and how the answer is shown."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import Any

from stockade.cli.tables import moment, table, until
from stockade.client import Client
from stockade.config import ConfigError
from stockade.protocol import INVALID, ProtocolError
from stockade.text import visible
from stockade.warden import config as warden_config

BAN_COLUMNS = ("address", "source", "reason", "since", "until")


def ban(options: argparse.Namespace) -> int:
    """`stockade ban`."""
    extra = {} if options.duration is None else {"duration": options.duration}
    wanted = [{"network": text, "reason": options.reason, **extra} for text in options.networks]
    result = Client().call("ban", bans=wanted, force=options.force)
    lines = []
    for item in result["results"]:
        holes = f", except {', '.join(item['holes'])}" if item["holes"] else ""
        lines.append(f"{item['network']}: {item['state']} until {until(item['expires_at'])}{holes}")
    return _show(options, result, lines)


def unban(options: argparse.Namespace) -> int:
    """`stockade unban`."""
    if bool(options.networks) == options.all:
        raise ProtocolError(INVALID, "name the addresses to unban, or --all")
    result = Client().call("unban", networks=options.networks, **({"all": True} if options.all else {}))
    lines = []
    for item in result["results"]:
        left = "".join(f"; still banned by {row['network']} ({row['source']})" for row in item["remaining"])
        lines.append(f"{item['network']}: {'lifted' if item['lifted'] else 'was not banned'}{left}")
    return _show(options, result, lines or ["nothing was banned"])


def bans(options: argparse.Namespace) -> int:
    """`stockade bans`."""
    client = Client()
    if options.why:
        result = client.call("bans", covering=options.why)
        whitelisted = [entry for entry in client.call("whitelist")["entries"] if entry["network"] == options.why]
        result["whitelisted"] = whitelisted
    else:
        result = client.call("bans", limit=options.limit)
    lines = table(BAN_COLUMNS, [_ban_row(row) for row in result["bans"]])
    if not result["bans"]:
        lines = [f"{options.why} is not banned" if options.why else "no bans"]
    elif result["truncated"]:
        lines.append(f"… {result['total'] - len(result['bans'])} more (--limit {result['total']} shows all)")
    return _show(options, result, lines)


def whitelist(options: argparse.Namespace) -> int:
    """`stockade whitelist [show|add|remove]`."""
    client = Client()
    if options.action == "show":
        result = client.call("whitelist")
        rows = [(e["network"], e["list"], visible(e["comment"]), until(e["expires_at"])) for e in result["entries"]]
        lines = table(("network", "list", "comment", "until"), rows) if rows else ["no whitelist entries"]
        lines.append("always protected here: " + ", ".join(result["protected"]))
        return _show(options, result, lines)
    if not options.networks:
        raise ProtocolError(INVALID, f"name the networks to {options.action}")
    if options.action == "remove":
        result = client.call("whitelist_set", remove=options.networks)
    else:
        extra = {} if options.duration is None else {"duration": options.duration}
        entries = [{"network": text, "comment": options.comment, **extra} for text in options.networks]
        result = client.call("whitelist_set", entries=entries)
    lines = [f"{text}: added" for text in result["added"]] + [f"{text}: removed" for text in result["removed"]]
    lines += [f"{row['network']}: ban of {row['source']} lifted" for row in result["lifted"]]
    return _show(options, result, lines or ["nothing to change"])


def status(options: argparse.Namespace) -> int:
    """`stockade status`; fails unless bans are in force."""
    result = Client().call("status")
    lines = [
        f"state      {result['state']} ({result['backend']})",
        f"bans       {result['bans']} on {result['networks']} networks",
        *(f"           {count:>6}  {visible(source)}" for source, count in result["callers"].items()),
        f"whitelist  {result['whitelist']} entries",
        f"warden     {result['version']}, up since {moment(result['started_at'])}, origin {visible(result['origin'])}",
        *(f"problem    {visible(text)}" for text in result["problems"]),
    ]
    _show(options, result, lines)
    return 0 if result["state"] == "enforcing" else 1


def release(options: argparse.Namespace) -> int:
    """`stockade release`."""
    result = Client().call("release")
    return _show(options, result, ["released: nothing is refused on this host until `stockade resume`"])


def resume(options: argparse.Namespace) -> int:
    """`stockade resume`."""
    result = Client().call("resume")
    return _show(options, result, ["enforcing" if result["changed"] else "was not released: enforcing"])


def check(options: argparse.Namespace) -> int:
    """`stockade check`: the configuration files, without the services."""
    problems: list[str] = []
    try:
        warden_config.read(options.warden_config)
    except ConfigError as error:
        problems.append(str(error))
    watcher_file: Path = options.watcher_config or options.default_watcher_config
    if options.watcher_config or watcher_file.exists():
        from stockade.watcher.config import check as check_watcher

        problems += check_watcher(watcher_file)
    _show(options, {"problems": problems}, problems or ["configuration is valid"])
    return 2 if problems else 0


def _ban_row(row: dict[str, Any]) -> tuple[str, ...]:
    shown = (row["network"], row["source"], row["reason"])
    return (*(visible(str(text)) for text in shown), moment(row["banned_at"]), until(row["expires_at"]))


def _show(options: argparse.Namespace, result: dict[str, Any], lines: list[str]) -> int:
    if options.json:
        json.dump(result, sys.stdout, indent=2 if sys.stdout.isatty() else None)
        print()
    else:
        print("\n".join(lines))
    return 0
