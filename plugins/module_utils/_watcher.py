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
import time
import typing as t

from ansible_collections.stockade.fleet.plugins.module_utils._errors import StockadeError
from ansible_collections.stockade.fleet.plugins.module_utils._facts_watcher import read_status
from ansible_collections.stockade.fleet.plugins.module_utils._files import replace
from ansible_collections.stockade.fleet.plugins.module_utils._watcher_logs import closed, detect, running_jails
from ansible_collections.stockade.fleet.plugins.module_utils._watcher_options import opened_in, render

PROGRAM = "/usr/local/bin/stockade"
UNIT = "stockade-watcher.service"
MODE = 0o644
ADM = "adm"  # the group that reads logs, and the watcher's
HEALTH = 12.0  # seconds until a watcher that was started has said how it is
Run = t.Callable[[t.List[str]], t.Tuple[int, str, str]]


class Paths(t.NamedTuple):
    """Where things are; a test has its own."""

    config: str = "/etc/stockade/watcher.toml"
    state: str = "/var/lib/stockade-watcher"
    program: str = PROGRAM
    status: str = "/run/stockade-watcher/status.json"
    fail2ban: str = "/run/fail2ban/fail2ban.sock"
    root: str = "/"


class Service(t.NamedTuple):
    """What systemd says about the unit."""

    installed: bool
    active: bool
    enabled: bool


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
            jails = running_jails(self._run, self._paths.fail2ban)
            found, warnings = detect(self._run, jails, inputs, self._paths.root)
            inputs += found
        if not inputs:
            gone = self.absent(check=check, keep_state=True)
            return dict(gone, msg="no log on this host that is known: there is nothing to watch", inputs=[]), warnings
        before = self._read()
        opening = closed(inputs, self._paths.root)
        after = render(options, inputs, dict(opened_in(before), **opening))
        service = self._service()
        result: dict[str, t.Any] = {"service": "active", "before": before or "", "after": after}
        if not (os.path.exists(self._paths.program) and service.installed):
            reason = "the agent is not on this host (no %s with %s): apply the role stockade.fleet.agent first" % (
                self._paths.program,
                UNIT,
            )
            if not check:
                raise StockadeError(reason)
            warnings = [*warnings, "predicted as if the agent were installed: " + reason]
            return dict(result, changed=True, inputs=_shown(inputs, {})), warnings
        edited = before != after or self._untidy()
        if before != after:
            self._try(after)
        changed = edited or not (service.active and service.enabled)
        said: dict[str, t.Any] = {} if changed else self._said() or {}
        if changed and not check:
            self._regroup(dict.fromkeys(opening, ADM))
            try:
                said = self._apply(before, after, service, edited)
            except StockadeError:
                self._regroup(opening)
                raise
        shown = _shown(inputs, said)
        warnings += ["input %s: %s" % (entry["name"], entry["problem"]) for entry in shown if entry["problem"]]
        return dict(result, changed=changed, inputs=shown), warnings

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
            self._regroup(opened_in(before))
            if forget:
                shutil.rmtree(self._paths.state)
        return {"changed": changed, "service": "stopped", "before": before or "", "after": ""}

    def _apply(self, before: str | None, after: str, service: Service, edited: bool) -> dict[str, t.Any]:
        """Make it live; what the watcher then says about itself. Raises StockadeError; all is as it was by then."""
        try:
            self._write(after)
            self._must(["systemctl", "enable", UNIT], "enable " + UNIT)
            # A restart, not a reload: its end says whether the watcher is ready, and no count is lost by it.
            self._must(["systemctl", "restart" if edited else "start", UNIT], "start " + UNIT)
            if not self._service().active:
                raise StockadeError("%s does not stay active" % UNIT)
            return self._health()
        except (OSError, StockadeError) as error:
            reason = "%s%s" % (error, self._last_words())
            raise StockadeError("%s; %s" % (reason, self._restore(before, service))) from None

    def _health(self) -> dict[str, t.Any]:
        """What the watcher that was started says about itself. Raises StockadeError if it is silent."""
        deadline = time.monotonic() + HEALTH
        while time.monotonic() < deadline:
            said = self._said()
            if said is not None:
                return said
            time.sleep(0.1)
        raise StockadeError("%s says nothing: no fresh %s" % (UNIT, self._paths.status))

    def _said(self) -> dict[str, t.Any] | None:
        """The status of the watcher that runs now; None if it has not written any."""
        status: dict[str, t.Any] = read_status(self._paths.status)["status"]
        if not status:
            return None
        rc, out, _err = self._run(["systemctl", "show", "-p", "MainPID", "--value", UNIT])
        return status if rc == 0 and str(status.get("pid")) == out.strip() else None

    def _regroup(self, groups: dict[str, t.Any]) -> None:
        """Give logs to these groups (names or numbers); one that went away meanwhile does not matter."""
        for path, group in groups.items():
            try:
                shutil.chown(os.path.join(self._paths.root, path.lstrip("/")), group=group)
            except (LookupError, OSError):
                continue

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


def _shown(inputs: list[dict[str, t.Any]], said: dict[str, t.Any]) -> list[dict[str, t.Any]]:
    """The inputs in the result, with what the watcher says about each."""
    problems = {entry.get("name"): entry.get("problem") for entry in said.get("inputs", []) if isinstance(entry, dict)}
    return [
        {
            "name": entry["name"],
            "path": entry.get("path") or "journal (%s)" % ", ".join(entry.get("journal") or ()),
            "problem": str(problems.get(entry["name"]) or ""),
        }
        for entry in inputs
    ]
