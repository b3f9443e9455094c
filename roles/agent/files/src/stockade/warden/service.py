# Copyright (c) 2026, stockade.fleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""`stockade warden`: the service itself, as systemd runs it."""

from __future__ import annotations

import gc
import logging
import os
import signal
import socket
import sqlite3
import sys
import time
from pathlib import Path

from stockade import protocol, service
from stockade.config import ConfigError
from stockade.warden import backends, config, recovery
from stockade.warden.core import Warden
from stockade.warden.registry import Registry
from stockade.warden.server import Server

LOG = logging.getLogger("stockade.warden")
STATE = Path("/var/lib/stockade")
# Requests of 100,000 networks make as many objects and no cycles: looking for those took a fifth of the time
COLLECT_AFTER = 50_000
TICK_SECONDS = 1.0  # half of the two seconds within which a table that was flushed is back
TIDY_SECONDS = 3600.0
FIRST_TIDY_SECONDS = 60.0
RETRY_SECONDS = 5.0  # between two attempts to write a registry that could not be written


def main() -> int:
    """Run until SIGTERM. Exit codes: 0 stopped, 1 failed, 2 configuration."""
    logging.basicConfig(level=logging.INFO, format="%(message)s", stream=sys.stderr)
    try:
        settings = config.read()
    except ConfigError as error:
        LOG.error("%s", error)
        return 2
    os.umask(0o077)
    gc.set_threshold(COLLECT_AFTER)
    firewall = backends.build(settings)
    try:
        opened = recovery.open_registry(STATE, firewall, settings.origin)
    except (sqlite3.Error, OSError) as error:
        LOG.error("the registry in %s cannot be used: %s", STATE, error)
        return 1
    warden = Warden(registry=opened.registry, firewall=firewall, config=settings, warnings=opened.warnings)
    warden.start()
    return _run(warden, opened.registry)


def _run(warden: Warden, registry: Registry) -> int:
    stopping = False

    def stop(*_signal: object) -> None:
        nonlocal stopping
        stopping = True

    signal.signal(signal.SIGTERM, stop)
    signal.signal(signal.SIGINT, stop)
    server = Server(_listener(), warden.handle)
    LOG.info("%s", warden.summary())
    service.notify(f"READY=1\nSTATUS={warden.summary()}")
    tidy_at = time.monotonic() + FIRST_TIDY_SECONDS
    retry_at = time.monotonic() + RETRY_SECONDS
    told = warden.summary()
    while not stopping and not warden.broken:
        server.serve(TICK_SECONDS)
        warden.tick()
        if time.monotonic() > tidy_at:
            more = warden.tidy()
            recovery.keep_copy(registry, STATE)
            tidy_at = time.monotonic() + (FIRST_TIDY_SECONDS if more else TIDY_SECONDS)
        if registry.refusal and time.monotonic() > retry_at:
            recovery.retry(registry, STATE)
            retry_at = time.monotonic() + RETRY_SECONDS
        if (summary := warden.summary()) != told:
            LOG.info("%s", summary)
            told = summary
        service.notify(f"WATCHDOG=1\nSTATUS={told}")
    service.notify("STOPPING=1")
    server.close()
    registry.close()
    if warden.broken:
        LOG.error("the registry is broken (%s): starting anew rebuilds it", warden.broken)
    return 1 if warden.broken else 0


def _listener() -> socket.socket:
    """The socket systemd holds for us, so that callers wait in it while the warden restarts."""
    passed = service.listen_sockets()
    if passed:
        return passed[0]
    Path(protocol.SOCKET).unlink(missing_ok=True)
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_CLOEXEC)
    listener.bind(protocol.SOCKET)
    listener.listen(64)
    return listener
