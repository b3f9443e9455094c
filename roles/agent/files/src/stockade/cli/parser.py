# Copyright (c) 2026, stockade.fleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The words of the command line and their options."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Sequence
from pathlib import Path

from stockade import __version__
from stockade.cli import commands
from stockade.warden.config import CONFIG as WARDEN_CONFIG

WATCHER_CONFIG = Path("/etc/stockade/watcher.toml")


def parse(arguments: Sequence[str]) -> argparse.Namespace:
    """The options of a command line; `run` is the command. Leaves the program with code 2 on bad usage."""
    parser = argparse.ArgumentParser(prog="stockade", description="Bans and whitelist of this host.")
    parser.add_argument("--version", action="version", version=f"stockade {__version__}")
    words = parser.add_subparsers(metavar="COMMAND", required=True)

    ban = _word(words, "ban", commands.ban, "refuse addresses or networks on all ports")
    ban.add_argument("networks", nargs="+", metavar="ADDRESS", help="address or network, such as 203.0.113.9")
    ban.add_argument("--duration", metavar="TIME", help="10m, 1h, 7d or permanent (default: the configured one, 1h)")
    ban.add_argument("--reason", default="", help="shown in reports")
    ban.add_argument("--force", action="store_true", help="allow networks wider than /8 or /32 (IPv6)")

    unban = _word(words, "unban", commands.unban, "lift every ban of addresses or networks")
    unban.add_argument("networks", nargs="*", metavar="ADDRESS")
    unban.add_argument("--all", action="store_true", help="lift every ban of this host")

    bans = _word(words, "bans", commands.bans, "show bans, newest first")
    bans.add_argument("--limit", type=int, default=100, metavar="N", help="show at most N (default 100)")
    bans.add_argument("--why", metavar="ADDRESS", help="show what covers one address")

    whitelist = _word(words, "whitelist", commands.whitelist, "show or change what is never banned")
    whitelist.add_argument("action", nargs="?", choices=("show", "add", "remove"), default="show")
    whitelist.add_argument("networks", nargs="*", metavar="ADDRESS")
    whitelist.add_argument("--comment", default="")
    whitelist.add_argument("--duration", metavar="TIME", help="how long the entry holds (default: unlimited)")

    _word(words, "status", commands.status, "show whether bans are in force")
    _word(words, "release", commands.release, "take every rule out, also after a reboot, until `stockade resume`")
    _word(words, "resume", commands.resume, "put every rule back after `stockade release`")

    check = _word(words, "check", commands.check, "check the configuration files")
    check.add_argument("--warden-config", type=Path, default=WARDEN_CONFIG, metavar="FILE")
    check.add_argument("--watcher-config", type=Path, default=None, metavar="FILE", help=f"default: {WATCHER_CONFIG}")
    check.set_defaults(default_watcher_config=WATCHER_CONFIG)

    for name, summary in (("warden", "the service that holds the bans"), ("watcher", "the service that reads logs")):
        words.add_parser(name, help=f"{summary} (run by systemd)")
    return parser.parse_args(arguments)


def _word(
    words: argparse._SubParsersAction[argparse.ArgumentParser],
    name: str,
    run: Callable[[argparse.Namespace], int],
    summary: str,
) -> argparse.ArgumentParser:
    parser = words.add_parser(name, help=summary, description=summary[0].upper() + summary[1:] + ".")
    parser.add_argument("--json", action="store_true", help="answer as JSON")
    parser.set_defaults(run=run)
    return parser
