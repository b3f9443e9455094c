# Copyright (c) 2026, stockade.fleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""`python3 -m onhost.watcher_load LOG RATE`: so many lines a second appended to a log, until SIGTERM ends it."""

from __future__ import annotations

import json
import os
import signal
import sys
import time

from onhost.watcher_logs import Requests, stamp

TICK = 0.01  # seconds between two writes


def main(path: str, rate: int) -> None:
    """Write on time, and what was missed at once; say in the end how many lines in how many seconds."""
    ended: list[int] = []
    signal.signal(signal.SIGTERM, lambda number, _frame: ended.append(number))
    requests, lines = Requests(seed=7), 0
    log = os.open(path, os.O_WRONLY | os.O_APPEND)
    print("writing", flush=True)
    began = time.monotonic()
    while not ended:
        due = int((time.monotonic() - began) * rate)
        when = stamp(time.time())
        text = "".join([requests.line(requests.anyone(), when) for _number in range(due - lines)])
        os.write(log, text.encode("ascii"))
        lines = max(due, lines)
        time.sleep(max(0.0, began + lines / rate + TICK - time.monotonic()))
    print(json.dumps({"lines": lines, "seconds": time.monotonic() - began}), flush=True)


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))
