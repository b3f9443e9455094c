# Copyright (c) 2026, stockade.fleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The watcher of a host as declared: its configuration file and its service.

Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.
"""

from __future__ import annotations

import os
import shutil
import tempfile
import typing as t

from ansible_collections.stockade.fleet.plugins.module_utils import _toml as toml
from ansible_collections.stockade.fleet.plugins.module_utils._errors import StockadeError
from ansible_collections.stockade.fleet.plugins.module_utils._files import replace

PROGRAM = "/usr/local/bin/stockade"
UNIT = "stockade-watcher.service"
HEADER = "# Managed by the Ansible module stockade.fleet.watcher: changes here are lost.\n"
MODE = 0o644
# Where the distributions' web servers log all requests; the one that stands in front of the others first.
WELL_KNOWN = (("nginx", "/var/log/nginx/access.log"), ("apache", "/var/log/apache2/access.log"))
RULE_KEYS = (
    "name", "type", "inputs", "maxretry", "findtime", "duration", "reason", "key", "exclude_static", "observe",
)  # fmt: skip

Run = t.Callable[[t.List[str]], t.Tuple[int, str, str]]


class Paths(t.NamedTuple):
    """Where things are; a test has its own."""

    config: str = "/etc/stockade/watcher.toml"
    state: str = "/var/lib/stockade-watcher"
    program: str = PROGRAM
    root: str = "/"


class Service(t.NamedTuple):
    """What systemd says about the unit."""

    installed: bool
    active: bool
    enabled: bool


def detect(root: str = "/") -> list[dict[str, str]]:
    """The access logs of well-known web servers that exist below ``root``."""
    return [
        {"name": name, "path": path}
        for name, path in WELL_KNOWN
        if os.path.isfile(os.path.join(root, path.lstrip("/")))
    ]


def with_detected(declared: list[dict[str, t.Any]], found: list[dict[str, str]]) -> list[dict[str, t.Any]]:
    """The declared inputs, and those found that have neither the name nor the path of a declared one."""
    taken = {entry[key] for entry in declared for key in ("name", "path")}
    return declared + [entry for entry in found if not taken & {entry["name"], entry["path"]}]


def with_front(
    declared: list[dict[str, t.Any]], found: list[dict[str, str]]
) -> tuple[list[dict[str, t.Any]], list[str]]:
    """The declared inputs and the first of those found, and a warning about each other one.

    A server that stands behind another one on the host logs the same requests again: each would count twice.
    """
    inputs = with_detected(declared, found[:1])
    left = with_detected(inputs, found[1:])[len(inputs) :]
    reason = "%s is not watched: it may have the requests of %s once more; add it to inputs if it has its own clients"
    return inputs, [reason % (entry["path"], found[0]["path"]) for entry in left]


def render(options: dict[str, t.Any], inputs: list[dict[str, t.Any]]) -> str:
    """The text of watcher.toml; options that are None are left to the watcher."""
    lines = [HEADER.rstrip("\n")]
    lines += [
        "%s = %s" % (key, toml.value(options[key])) for key in ("preset", "lookback") if options.get(key) is not None
    ]
    for entry in inputs:
        lines += ["", "[[input]]", *_table(entry, ("name", "path", "format", "vhost"))]
    for rule in options.get("rules") or []:
        lines += ["", "[[rule]]", *_table(rule, RULE_KEYS)]
    return "\n".join(lines) + "\n"


def _table(entry: dict[str, t.Any], keys: t.Sequence[str]) -> list[str]:
    return ["%s = %s" % (key, toml.value(entry[key])) for key in keys if entry.get(key) is not None]


class Watcher:
    """The watcher of this host. The configuration is tried in ``scratch``, by default the system's directory for it.

    Not Ansible's ``tmpdir``: that one is created below the user's home and stays, even in check mode.
    """

    def __init__(self, *, run: Run, scratch: str | None = None, paths: Paths | None = None) -> None:
        self._run = run
        self._scratch = scratch
        self._paths = paths or Paths()

    def present(self, options: dict[str, t.Any], *, check: bool) -> tuple[dict[str, t.Any], list[str]]:
        """Bring configuration and service to what is declared; the result, with ``before`` and ``after``, and warnings.

        Without any input there is nothing to watch: then no service runs. Raises StockadeError; the old configuration
        is in force again by then.
        """
        inputs: list[dict[str, t.Any]] = list(options.get("inputs") or [])
        warnings: list[str] = []
        if options.get("detect"):
            inputs, warnings = with_front(inputs, detect(self._paths.root))
        shown = {"inputs": [{"name": entry["name"], "path": entry["path"]} for entry in inputs]}
        if not inputs:
            result = self.absent(check=check, keep_state=True)
            return dict(result, msg="no access log on this host: there is nothing to watch", **shown), warnings
        before, after = self._read(), render(options, inputs)
        service = self._service()
        if not (os.path.exists(self._paths.program) and service.installed):
            reason = "the agent is not on this host (no %s with %s): apply the role stockade.fleet.agent first" % (
                self._paths.program,
                UNIT,
            )
            if not check:
                raise StockadeError(reason)
            result = {"changed": True, "service": "active", "before": before or "", "after": after}
            return dict(result, **shown), [*warnings, "predicted as if the agent were installed: " + reason]
        edited = before != after or self._untidy()
        if before != after:
            self._try(after)
        changed = edited or not (service.active and service.enabled)
        if changed and not check:
            self._apply(before, after, service, edited)
        result = {"changed": changed, "service": "active", "before": before or "", "after": after}
        return dict(result, **shown), warnings

    def absent(self, *, check: bool, keep_state: bool = False) -> dict[str, t.Any]:
        """Stop the service, remove the configuration and, unless ``keep_state``, what the watcher remembers."""
        before, service = self._read(), self._service()
        forget = not keep_state and os.path.isdir(self._paths.state)
        running = service.installed and (service.active or service.enabled)
        changed = before is not None or forget or running
        if changed and not check:
            if running:
                self._must(["systemctl", "disable", "--now", UNIT], "stop " + UNIT)
            if service.installed:
                self._run(["systemctl", "reset-failed", UNIT])  # fails if it had not failed: nothing to do then
            self._write(None)
            if forget:
                shutil.rmtree(self._paths.state)
        return {"changed": changed, "service": "stopped", "before": before or "", "after": ""}

    def _apply(self, before: str | None, after: str, service: Service, edited: bool) -> None:
        try:
            self._write(after)
            self._must(["systemctl", "enable", UNIT], "enable " + UNIT)
            # A restart, not a reload: its end says whether the watcher is ready, and no count is lost by it.
            self._must(["systemctl", "restart" if edited else "start", UNIT], "start " + UNIT)
            if not self._service().active:
                raise StockadeError("%s does not stay active" % UNIT)
        except (OSError, StockadeError) as error:
            reason = "%s%s" % (error, self._last_words())
            raise StockadeError("%s; %s" % (reason, self._restore(before, service))) from None

    def _restore(self, before: str | None, service: Service) -> str:
        try:
            self._write(before)
            if not service.enabled:
                self._must(["systemctl", "disable", UNIT], "disable " + UNIT)
            self._must(["systemctl", "restart" if service.active else "stop", UNIT], "restore " + UNIT)
        except (OSError, StockadeError) as error:
            return "and the old configuration could not be restored: %s" % error
        return "the old configuration is in force again" if before is not None else "nothing was left behind"

    def _try(self, text: str) -> None:
        """Let the agent of this host read the configuration before it is live."""
        descriptor, path = tempfile.mkstemp(prefix="watcher-", suffix=".toml", dir=self._scratch)
        try:
            with os.fdopen(descriptor, "w", encoding="ascii") as file:
                file.write(text)
            rc, out, err = self._run([self._paths.program, "check", "--watcher-config", path])
        finally:
            os.unlink(path)
        if rc != 0:
            problem = "; ".join((out.strip() or err.strip() or "rc %d" % rc).splitlines())
            problem = problem.replace(path, self._paths.config)[:1000]
            raise StockadeError("the configuration is refused, nothing was changed: %s" % problem)

    def _service(self) -> Service:
        rc, out, _err = self._run(["systemctl", "show", "-p", "LoadState,ActiveState,UnitFileState", UNIT])
        values = dict(line.split("=", 1) for line in out.splitlines() if "=" in line)
        if rc != 0 or "LoadState" not in values:
            raise StockadeError("cannot ask systemd about %s: this host does not run systemd" % UNIT)
        return Service(
            installed=values["LoadState"] == "loaded",
            active=values.get("ActiveState") in ("active", "reloading"),
            enabled=values.get("UnitFileState") == "enabled",
        )

    def _last_words(self) -> str:
        rc, out, _err = self._run(["journalctl", "-u", UNIT, "-p", "warning", "-n", "1", "-o", "cat", "--no-pager"])
        words = out.strip().splitlines()[-1:] if rc == 0 else []
        return " (%s)" % words[0][:300] if words and not words[0].startswith("-- ") else ""

    def _must(self, command: list[str], purpose: str) -> None:
        rc, out, err = self._run(command)
        if rc != 0:
            raise StockadeError("cannot %s: %s" % (purpose, (err.strip() or out.strip())[:300]))

    def _read(self) -> str | None:
        try:
            with open(self._paths.config, encoding="utf-8", errors="surrogateescape") as file:
                return file.read()
        except FileNotFoundError:
            return None
        except OSError as error:
            raise StockadeError("cannot read %s: %s" % (self._paths.config, error.strerror)) from None

    def _untidy(self) -> bool:
        about = os.stat(self._paths.config)
        return about.st_mode & 0o7777 != MODE or about.st_uid != os.geteuid()

    def _write(self, text: str | None) -> None:
        content = None if text is None else text.encode("utf-8", "surrogateescape")
        replace(self._paths.config, content, mode=MODE)
