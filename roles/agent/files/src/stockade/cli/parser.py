# Copyright (c) 2026, stockade.fleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The words of the command line and their options."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Sequence
from typing import NoReturn

from stockade import __version__
from stockade.cli import commands, replay
from stockade.text import visible

CONFIGS = {
    "warden": "/etc/stockade/warden.toml",
    "watcher": "/etc/stockade/watcher.toml",
    "report": "/etc/stockade/report.toml",
}
AFTERWARDS = """\
Answers are tables, on a terminal and in a pipe alike; --json answers with JSON. On a terminal reasons that are too
long are cut and `status` is coloured (not with NO_COLOR in the environment). Addresses may stand apart by commas too.
Exit codes: 0 done, 1 failed (status: bans are not in force), 2 refused, bad usage, input or configuration."""


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        """As always; but what was pasted onto the command line does not reach the terminal as it is."""
        super().error(visible(message, 500))


def parse(arguments: Sequence[str]) -> argparse.Namespace:
    """The options of a command line; `run` is the command. Leaves the program with code 2 on bad usage."""
    return build().parse_args(arguments)


def build() -> _Parser:
    """The parser of all words. Options are never abbreviated: `--a` is not `--all`."""
    parser = _Parser(
        prog="stockade",
        description="Bans and whitelist of this host.",
        epilog=AFTERWARDS,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    parser.add_argument("--version", action="version", version=f"stockade {__version__}")
    words = parser.add_subparsers(metavar="COMMAND", required=True)

    ban = _word(words, "ban", commands.ban, "refuse addresses or networks on all ports")
    ban.add_argument("networks", nargs="+", metavar="ADDRESS", help="address or network, such as 203.0.113.9")
    ban.add_argument("--duration", metavar="TIME", help="10m, 1h, 7d or permanent (default: the configured one)")
    ban.add_argument("--reason", default="", metavar="TEXT", help="shown wherever the ban is shown (200 characters)")
    ban.add_argument("--force", action="store_true", help="allow networks wider than /8 or /32 (IPv6)")

    unban = _word(words, "unban", commands.unban, "lift every ban of addresses or networks")
    unban.add_argument("networks", nargs="*", metavar="ADDRESS")
    unban.add_argument("--all", action="store_true", help="lift every ban of this host")
    unban.add_argument("--source", metavar="SOURCE", help="lift what this source decided and leave the rest")

    bans = _word(words, "bans", commands.bans, "show bans, newest first, or why one address is banned")
    chosen = bans.add_mutually_exclusive_group()
    chosen.add_argument("--why", metavar="ADDRESS", help="tell what covers an address or network, and what to do next")
    chosen.add_argument("--source", metavar="SOURCE", help="operator, watcher/RULE, fail2ban/JAIL, list/NAME or fleet")
    bans.add_argument("--limit", type=int, default=100, metavar="N", help="show at most N (default 100)")

    whitelist = _word(words, "whitelist", commands.whitelist, "show or change what is never banned")
    whitelist.set_defaults(action="show")
    actions = whitelist.add_subparsers(metavar="show|add|remove")
    for name, summary in (("show", "show every entry"), ("add", "never ban these"), ("remove", "take entries out")):
        action = _word(actions, name, commands.whitelist, summary, json=argparse.SUPPRESS)
        action.set_defaults(action=name)
        if name != "show":
            action.add_argument("networks", nargs="+", metavar="ADDRESS")
            action.add_argument("--list", default="operator", metavar="NAME", help="the list to change (operator)")
        if name == "add":
            action.add_argument("--comment", default="", metavar="TEXT", help="who or what this is")
            action.add_argument("--duration", metavar="TIME", help="how long the entry holds (default: unlimited)")

    _declare_report(words)
    replay.declare(_word(words, "replay", replay.run, replay.SUMMARY))
    _word(words, "status", commands.status, "show whether bans are in force")
    _word(words, "release", commands.release, "take every rule out, also after a reboot, until `stockade resume`")
    _word(words, "resume", commands.resume, "put every rule back after `stockade release`")

    check = _word(words, "check", commands.check, "check the configuration files")
    for name, default in CONFIGS.items():
        check.add_argument(f"--{name}-config", metavar="FILE", help=f"default: {default}")
    check.set_defaults(defaults=CONFIGS)

    for name, summary in (("warden", "the service that holds the bans"), ("watcher", "the service that reads logs")):
        words.add_parser(name, help=f"{summary} (run by systemd)")
    return parser


def _declare_report(words: argparse._SubParsersAction[_Parser]) -> None:
    summary = "show what the watcher has seen and decided, or the report of this host on traffic or security"
    report = _word(words, "report", commands.report, summary)
    report.set_defaults(kind=None)
    report.add_argument("--address", metavar="ADDRESS", help="only of this client, as it was counted")
    report.add_argument("--rule", metavar="RULE", help="only what this rule counted or decided")
    for name, meaning in (("since", "from"), ("until", "before")):
        report.add_argument(f"--{name}", metavar="TIME", help=f"{meaning} then: 2h (ago), 2026-03-01, 2026-03-01T12:00")
    report.add_argument("--limit", type=int, metavar="N", help="show at most N, the newest (default 100)")
    report.add_argument("--events", metavar="FILE", help=f"default: {commands.EVENTS}")
    kinds = report.add_subparsers(metavar="[traffic|security]")
    for kind, span, about in (
        ("traffic", "1h", "whose requests the watcher decided about"),
        ("security", "24h", "who was banned, by the warden or by a jail of fail2ban"),
    ):
        word = _word(kinds, kind, commands.report, about, json=argparse.SUPPRESS)
        word.set_defaults(kind=kind)
        word.add_argument("--since", default=argparse.SUPPRESS, metavar="TIME", help=f"how far back (default {span})")
        word.add_argument("--csv", action="store_true", help="answer with CSV instead of lines")
        word.add_argument("--exit-code", action="store_true", help="exit with 3 if there is anything to report")
        word.add_argument("--log", metavar="DIR", help="as the timer does: keep the report in a log there, hand it on")
        word.add_argument("--config", default=CONFIGS["report"], metavar="FILE", help=f"default: {CONFIGS['report']}")


def _word(
    words: argparse._SubParsersAction[_Parser],
    name: str,
    run: Callable[[argparse.Namespace], int],
    summary: str,
    *,
    json: object = False,
) -> _Parser:
    """A word with `--json`. Words below another one leave what was said before them (`json` is SUPPRESS)."""
    description = summary[0].upper() + summary[1:] + "."
    parser = words.add_parser(name, help=summary, description=description, allow_abbrev=False)
    parser.add_argument("--json", action="store_true", default=json, help="answer with JSON instead of a table")
    parser.set_defaults(run=run)
    return parser
