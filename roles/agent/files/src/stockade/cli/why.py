# Copyright (c) 2026, stockade.fleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The answer to `stockade bans --why`, in sentences for somebody who is tired."""

from __future__ import annotations

from typing import Any

from stockade.cli.tables import ago, minute, table, until
from stockade.durations import human
from stockade.text import visible

Row = dict[str, Any]
DECIDERS = {
    "operator": "an operator (root on the host, or Ansible)",
    "watcher": "the watcher's rule {}",
    "fail2ban": "fail2ban's jail {}",
    "list": "list `{}` of permanent bans",
    "fleet": "the fleet",
}
EARLIER_COLUMNS = ("address", "source", "from", "to", "ended by", "reason")


def sentences(answer: Row, status: Row) -> list[str]:
    """The lines for the answer to `why`; `status` tells whether bans are in force at all."""
    parts = [_verdict(answer, status), _passes(answer), *map(_covering, answer["bans"])]
    parts += [_earlier(answer["history"]), _next(answer)]
    return "\n\n".join("\n".join(part) for part in parts if part).split("\n")


def _verdict(answer: Row, status: Row) -> list[str]:
    network, bans = answer["network"], answer["bans"]
    count = "one ban covers" if len(bans) == 1 else f"{len(bans)} bans cover"
    if answer["verdict"] == "passes":
        lines = [f"{network} gets through" + (f", although {count} it." if bans else ", and is never banned.")]
    elif answer["verdict"] == "banned":
        lines = [f"{network} is banned: {count} it."]
    else:
        lines = [f"{network} is not banned."]
    if status["state"] == "released":
        lines.append("Nothing is refused on this host now: it is released until `stockade resume`.")
    elif status["state"] != "enforcing":
        problem = visible("; ".join(status["problems"]))
        lines.append(f"The firewall may not hold what is said here ({visible(status['state'])}): {problem}")
    return lines


def _passes(answer: Row) -> list[str]:
    lines = []
    if answer["never"]:
        lines.append(f"  It is never banned here: {visible(answer['never'])}.")
    for entry in answer["whitelist"]:
        comment = f" ({visible(entry['comment'])})" if entry["comment"] else ""
        name = visible(entry["list"])
        lines.append(f"  {entry['network']} is whitelisted by list `{name}`{comment}, {until(entry['expires_at'])}.")
    return ["What lets it through:", *lines] if lines else []


def _covering(row: Row) -> list[str]:
    wide = f" ({_size(row['network'])} addresses)" if "/" in row["network"] else ""
    length = "" if row["expires_at"] is None else f", for {human(row['expires_at'] - row['banned_at'])}"
    packets = row["packets"]
    dropped = f"{packets} {'packet' if packets == 1 else 'packets'} since the ban was last set"
    return [
        f"{row['network']}{wide} is banned {until(row['expires_at'])}.",
        f"  decided by  {_decider(row['source'])} on {visible(row['origin'])}, source {visible(row['source'])}",
        f"  when        {ago(row['banned_at'])}{length}",
        f"  reason      {visible(row['reason']) or 'none given'}",
        f"  dropped     {'not counted here' if packets is None else dropped}",
    ]


def _earlier(history: list[Row]) -> list[str]:
    if not history:
        return []
    rows = []
    for row in history:
        times = minute(row["banned_at"]), minute(row["ended_at"])
        rows.append((row["network"], visible(row["source"]), *times, visible(row["ended_by"]), visible(row["reason"])))
    return ["Earlier bans, newest first:", *table(EARLIER_COLUMNS, rows)]


def _next(answer: Row) -> list[str]:
    """Commands that can be typed as they stand: networks come from the warden and are addresses."""
    network, steps = answer["network"], []
    if answer["verdict"] == "free":
        return [
            f"To ban it: stockade ban {network}",
            "If it cannot connect all the same, something else refuses it: see `nft list ruleset`,",
            "and `fail2ban-client banned` where fail2ban has a firewall of its own.",
        ]
    if answer["verdict"] == "banned":
        declared = [row for row in answer["bans"] if row["source"].startswith("list/")]
        for row in declared:
            name = visible(row["source"].removeprefix("list/"))
            steps.append(f"  list `{name}` declares {row['network']}: take it out there, or whitelist {network}")
        for banned in dict.fromkeys(row["network"] for row in answer["bans"] if row not in declared):
            wide = f"    (for all {_size(banned)} addresses of it)" if banned != network else ""
            steps.append(f"  stockade unban {banned}{wide}")
        steps.append(f"  stockade whitelist add {network}")
        return ["To let it in:", *steps]
    for entry in answer["whitelist"]:
        if entry["list"] == "operator":
            steps.append(f"  stockade whitelist remove {entry['network']}")
        else:
            steps.append(f"  list `{visible(entry['list'])}` declares {entry['network']}: take it out there")
    return ["To have it banned again:", *steps] if steps and answer["bans"] and not answer["never"] else []


def _decider(source: str) -> str:
    kind, _slash, name = source.partition("/")
    return DECIDERS.get(kind, visible(source)).replace("{}", visible(name))


def _size(network: str) -> str:
    """How many addresses a network of the protocol's text has."""
    bits = (128 if ":" in network else 32) - int(network.partition("/")[2])
    return str(1 << bits) if bits < 32 else f"2^{bits}"
