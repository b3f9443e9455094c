# Copyright (c) 2026, stockade.fleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""fail2ban's `ignorecommand`: exit code 0 if the warden of this host would never ban the address.

Managed by the Ansible role stockade.fleet.fail2ban, for jails that ban by another action than the warden's. fail2ban's
own `ignoreip` holds what is whitelisted for good; the controller, gateways, resolvers and entries with an end only the
warden knows. Without its answer the code is 1.
"""

from __future__ import annotations

import json
import socket
import sys

SOCKET = "/run/stockade/warden.sock"
#: Seconds: the jail waits.
TIMEOUT = 2.0
MAX_ANSWER = 1024 * 1024


def ignored(address: str, *, path: str = SOCKET) -> bool:
    """Return whether the warden refuses to ban an address. Raises OSError, ValueError or KeyError without an answer."""
    request = {"v": 1, "op": "ban", "check": True, "bans": [{"network": address}], "on_refused": "skip"}
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as link:
        link.settimeout(TIMEOUT)
        link.connect(path)
        link.sendall(json.dumps(request).encode() + b"\n")
        with link.makefile("rb") as answers:
            answer = json.loads(answers.readline(MAX_ANSWER))
    return any(told["state"] == "refused" for told in answer["result"]["results"])


if __name__ == "__main__":
    try:
        sys.exit(0 if ignored(sys.argv[1]) else 1)
    except (OSError, ValueError, KeyError):
        sys.exit(1)
