# Copyright (c) 2026, stockade.fleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A host that goes back by itself: files are saved and a timer runs before a change, and a new login has to commit it.

Who renames ``token`` first has decided: the commit (to ``committed``) or the script of ``rollback`` (to
``rolling-back``, and to ``rolled-back`` when it is done). Everything that the script needs is on disk before ``token``
is, and the old files are second names of themselves, which takes no space and loses neither owner nor mode.

Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.
"""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import time
from collections.abc import Iterator, Sequence

from ansible_collections.stockade.fleet.plugins.module_utils._errors import StockadeError
from ansible_collections.stockade.fleet.plugins.module_utils._files import replace
from ansible_collections.stockade.fleet.plugins.module_utils._ssh import files, host, rollback, saved
from ansible_collections.stockade.fleet.plugins.module_utils._ssh.armedstate import Holder, State, clock
from ansible_collections.stockade.fleet.plugins.module_utils._ssh.files import Write
from ansible_collections.stockade.fleet.plugins.module_utils._ssh.saved import Saved, sync

__all__ = ["Armed", "Holder", "Write"]

DIRECTORY = "/var/lib/stockade-ssh"
UNITS = "/etc/systemd/system"

_RUN = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
_GRACE = 30
_NOTHING_CHANGED = "cannot arm this host, nothing was changed"
_UNREPORTED = "its report could not be written"


class Armed:
    """The state directory and the units of one host. ``run`` is ``module.run_command``."""

    def __init__(self, run: host.Run, *, directory: str = DIRECTORY, units: str = UNITS) -> None:
        self._run = run
        self._state = State(directory)
        self._units = units

    def holder(self) -> Holder | None:
        """Who has the host armed; also while it is being rolled back."""
        # In the order in which it is renamed, so that it is not missed in between.
        return self._state.record("token") or self._state.record("rolling-back")

    def outcome(self, run_id: str | None = None) -> str:
        """What became of a run, or of the last one: armed (not decided yet), committed, rolled back or unknown."""
        holder = self.holder()
        if holder is not None and run_id in (None, holder.run):
            return "armed"
        found = []
        for name, word in (("committed", "committed"), ("rolled-back", "rolled back")):
            record, about = self._state.record(name), files.status(self._state.path(name))
            if record is not None and about is not None and run_id in (None, record.run):
                found.append((about.st_ctime_ns, word))
        return max(found)[1] if found else "unknown"

    def result(self) -> str:
        """What the last rollback put back and left alone; empty if there was none or it could not be written."""
        try:
            return (self._state.read("result") or "").strip()
        except StockadeError:
            return ""  # what was done does not depend on it

    def arm(
        self, writes: Sequence[Write], listener: host.Listener, *, run_id: str, controller: str, seconds: int
    ) -> None:
        """Have the host go back to ``before`` in so many seconds, unless ``commit`` is called. Changes no file yet."""
        if not _RUN.fullmatch(run_id):
            raise StockadeError("cannot arm this host: {!r} is no id of a run".format(run_id))
        if seconds < 1:
            raise StockadeError("cannot arm this host: {} seconds is no time to log in".format(seconds))
        with _explained(_NOTHING_CHANGED):
            rows = saved.plan(writes, run_id)
            os.makedirs(self._state.directory, 0o700, exist_ok=True)
            os.chmod(self._state.directory, 0o700)
            sync(os.path.dirname(self._state.directory))
        with self._state.locked():
            self._refuse_held()
            try:
                with _explained(_NOTHING_CHANGED):
                    self._prepare(rows, listener, run_id, seconds)
                    self._create_token(run_id, controller, seconds)
            except Exception:
                with contextlib.suppress(OSError, StockadeError):
                    self._clean(also=["token"])
                raise

    def require(self, run_id: str | None = None) -> Holder:
        """Who has the host armed. Raises StockadeError if nobody has, or another run than this, and says what it is."""
        holder = self.holder()
        if holder is not None and run_id in (None, holder.run):
            return holder
        outcome = self.outcome(run_id) if run_id else "unknown"
        if holder is not None:
            why = "it is not run {} that is armed: {}".format(run_id, holder.text)
        elif outcome == "rolled back":
            why = "run {} was rolled back: {}".format(run_id, self.result() or _UNREPORTED)
        elif outcome == "committed":
            why = "run {} was committed already".format(run_id)
        else:
            why = "nothing is armed on this host" + (", and run {} is not known".format(run_id) if run_id else "")
        raise StockadeError(why)

    def commit(self, run_id: str) -> None:
        """The change stays. Raises StockadeError when it has gone already or never was this run's."""
        with self._state.locked():
            self.require(run_id)
            try:
                os.rename(self._state.path("token"), self._state.path("committed"))
                sync(self._state.directory)
            except FileNotFoundError:
                self.require(run_id)
                raise StockadeError("run {} is being rolled back at this moment".format(run_id)) from None
            except OSError as error:
                raise StockadeError("cannot commit run {}: {}".format(run_id, error)) from error
            # Decided; what stays behind here is in nobody's way, and the next run takes it.
            with contextlib.suppress(OSError, StockadeError):
                self._clean()

    def rollback(self, run_id: str | None = None) -> str:
        """Put the old files back now, through the unit. Returns what was done; fine if it was done before."""
        if run_id is not None and self.outcome(run_id) == "rolled back":
            return self.result() or _UNREPORTED
        run_id = self.require(run_id).run
        problem = "the unit did nothing"
        try:
            self._systemctl("start", rollback.SERVICE)
        except StockadeError as error:
            problem = str(error)
        if self.outcome(run_id) == "armed":
            raise StockadeError(
                "run {} is not rolled back yet: {}; see `journalctl -u {}`".format(
                    run_id, self.result() or problem, rollback.SERVICE
                )
            )
        if self.outcome(run_id) != "rolled back":
            self.require(run_id)
        return self.result() or _UNREPORTED

    def remove(self) -> None:
        """Take everything of ours off the host. Raises StockadeError while it is armed."""
        names = [*rollback.units(self._state.directory, 0), rollback.WANTED]
        paths = [path for path in (os.path.join(self._units, name) for name in names) if files.status(path)]
        if not os.path.isdir(self._state.directory) and not paths:
            return
        with _explained("cannot remove {}".format(self._state.directory)):
            os.makedirs(self._state.directory, 0o700, exist_ok=True)
            with self._state.locked():
                self._refuse_held()
                self._clean()
                for path in paths:
                    replace(path, None)
                if paths:
                    self._systemctl("daemon-reload")
                shutil.rmtree(self._state.directory)

    def _refuse_held(self) -> None:
        """Only one run at a time; one that should have ended long ago is ended here."""
        holder = self.holder()
        if holder is not None and time.time() > holder.until + _GRACE:
            self.rollback(holder.run)
            holder = self.holder()
        if holder is not None:
            late = "" if self._state.record("token") else " (it is being rolled back)"
            raise StockadeError("refused, nothing was changed: {}{}; wait, or see ssh_change".format(holder.text, late))

    def _prepare(self, rows: list[Saved], listener: host.Listener, run_id: str, seconds: int) -> None:
        """Everything that going back needs. Whatever is left by a run that died stands in its manifest."""
        self._clean()
        replace(self._state.path(rollback.SCRIPT), rollback.SCRIPT_TEXT.encode("utf-8"), mode=0o700)
        for name, text in rollback.units(self._state.directory, seconds).items():
            replace(os.path.join(self._units, name), text.encode("utf-8"))
        self._enable()
        replace(self._state.path("manifest"), b"".join(row.line for row in rows), mode=0o600)
        replace(self._state.path("listener"), _listener(listener).encode("utf-8"), mode=0o600)
        for row in rows:
            saved.save(row)
        for name in ("committed", "rolled-back"):
            record = self._state.record(name)
            if record is not None and record.run == run_id:
                replace(self._state.path(name), None)  # of the first phase of the same run
        self._systemctl("daemon-reload")

    def _enable(self) -> None:
        """As ``systemctl enable`` does it, but on disk when this returns."""
        wanted = os.path.join(self._units, rollback.WANTED)
        os.makedirs(os.path.dirname(wanted), exist_ok=True)
        with contextlib.suppress(FileExistsError):
            os.symlink(os.path.join(self._units, rollback.BOOT), wanted)
        sync(os.path.dirname(wanted))
        sync(self._units)

    def _create_token(self, run_id: str, controller: str, seconds: int) -> None:
        """The timer first: alone it does nothing, and no token is ever without it."""
        since = int(time.time())
        text = (
            "run {}\ncontroller {}\nsince {}\nseconds {}\n"
            "# armed {}; the SSH configuration from before comes back {} unless the run commits\n"
        ).format(
            run_id, " ".join(controller.split()) or "unknown", since, seconds, clock(since), clock(since + seconds)
        )
        fresh = self._state.path("token.new")
        replace(fresh, text.encode("utf-8"), mode=0o600)
        self._systemctl("restart", rollback.TIMER)
        # Exclusive like O_EXCL, and never there without its text.
        os.link(fresh, self._state.path("token"))
        sync(self._state.directory)
        os.unlink(fresh)

    def _clean(self, also: Sequence[str] = ()) -> None:
        """The old files and what belongs to one run. Only while it is not armed."""
        for name in also:
            replace(self._state.path(name), None)
        if files.status(os.path.join(self._units, rollback.TIMER)):
            self._systemctl("stop", rollback.TIMER)
        manifest = self._state.path("manifest")
        if files.status(manifest):
            with open(manifest, "rb") as stream:
                saved.forget(stream.read())
        for name in ("result", "listener", "token.new", "manifest"):
            replace(self._state.path(name), None)

    def _systemctl(self, *words: str) -> None:
        rc, _out, err = self._run(["systemctl", *words])
        if rc != 0:
            raise StockadeError("systemctl {} failed: {}".format(" ".join(words), " ".join(err.split())))


def _listener(listener: host.Listener) -> str:
    """Mode, service and socket; a socket's service may come to life later, so it is always named."""
    socket = listener.socket.name if listener.socket else "-"
    service = listener.service.name if listener.service else socket.replace(".socket", ".service")
    return "{} {} {}\n".format(listener.mode, service, socket)


@contextlib.contextmanager
def _explained(what: str) -> Iterator[None]:
    """What fails in here becomes a StockadeError that says what it was for."""
    try:
        yield
    except (OSError, StockadeError) as error:
        raise StockadeError("{}: {}".format(what, error)) from error
