# Copyright (c) 2026, stockade.fleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""fail2ban's own filter over a finished log, as the server of the same package would read it: run as a program.

A jail of the server class, configured by the commands that its client sends, with its log written to a file. What a
server has beyond that costs nothing here: no thread, no observer, no database, no action. Its clock is that of the log.
"""

from __future__ import annotations

import json
import sys

from fail2ban.client.filterreader import FilterReader
from fail2ban.server.mytime import MyTime
from fail2ban.server.server import Server
from fail2ban.server.transmitter import Transmitter

JAIL = "bench"


def main(
    log: str, lines: int, per_second: int, start: int, level: str, target: str, settings: list[list[str]], filter_: str
) -> dict[str, int]:
    """Read so many lines; how many failures it found and how many clients it would have banned.

    The log has `per_second` lines for each second from `start` (epoch seconds) on. `settings` are those of the jail,
    `filter_` is a filter of fail2ban's own.
    """
    server = Server()
    server.setLogLevel(level)
    server.setLogTarget(target)
    commands = [["add", JAIL, "polling"], *(["set", JAIL, *words] for words in settings)]
    if filter_:
        reader = FilterReader(filter_, JAIL, {}, basedir="/etc/fail2ban")
        reader.read()
        reader.applyAutoOptions("polling")
        reader.getOptions(None)
        commands += [words for words in reader.convert() if "addjournalmatch" not in words]
    transmitter = Transmitter(server)
    MyTime.setTime(start)
    for command in [*commands, ["set", JAIL, "addlogpath", log, "head"]]:
        code, answer = transmitter.proceed(command)
        if code != 0:
            raise SystemExit(f"fail2ban refuses {command}: {answer}")
    jail = server._Server__jails[JAIL]  # it has no other way to one
    reading = jail.filter
    file = reading.getLog(log)
    file.open()
    for first in range(0, lines, per_second):
        MyTime.setTime(start + first // per_second)
        for _number in range(min(per_second, lines - first)):
            reading.processLineAndAdd(file.readline())
    file.close()
    banned = 0
    while jail.getFailTicket():
        banned += 1
    return {"found": reading.failManager.getFailTotal(), "banned": banned}


if __name__ == "__main__":
    print(json.dumps(main(**json.load(sys.stdin))))
