# Copyright (c) 2026, stockade.fleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whom fail2ban's jails ignore: one file that the whitelist writes, and the running jails.

Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.

Running jails are told by ``addignoreip`` and ``delignoreip``. A reload comes to the same (it forgets what a jail was
told and reads the file), but takes 100 ms a jail and puts in force whatever else somebody left in the files. Instead of
many ``delignoreip`` a jail is reloaded all the same: fail2ban answers each of them with the whole list.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import tempfile
from typing import Any, Dict, NamedTuple, Union

from .._errors import StockadeError
from .._files import replace
from ._client import PATIENCE, Fail2banClient, Fail2banRefused, in_batches
from ._daemon import Daemon
from ._files import IGNOREIP, JAILS, MODE, ManagedFiles, copy_config, read_ours
from ._ignoreip_files import HEADER, Setting, others, render, words_of
from ._judge import Run, Verdict, judge, settings
from ._networks import Covering, Network, keyed, parsed

CONFIG_DIR = "/etc/fail2ban"
#: So many `delignoreip` take longer than a reload of the jail.
_MANY = 100
#: Whom a jail ignores, each with fail2ban's text for it; what is no address stands for itself.
Ignored = Dict[Union[Network, str], str]


class Outcome(NamedTuple):
    """What changed, one line each, and warnings."""

    lines: list[str]
    warnings: list[str]


class Told(NamedTuple):
    """What a running jail is told: texts to ignore, and to ignore no longer."""

    add: list[str]
    drop: list[str]

    def undone(self) -> Told:
        return Told(self.drop, self.add)


class IgnoreIp:
    """fail2ban on this host. ``command`` is the path of fail2ban-client, None where fail2ban is not installed."""

    def __init__(
        self,
        run: Run,
        *,
        command: str | None,
        config_dir: str = CONFIG_DIR,
        client: Fail2banClient | None = None,
    ) -> None:
        self._run = run
        self._command = command
        self._config_dir = config_dir
        self._client = client or Fail2banClient()
        self._files = ManagedFiles(config_dir, JAILS)
        self._path = self._files.path(IGNOREIP)

    def follow(self, unlimited: list[Network], whitelisted: list[Network], *, check: bool) -> Outcome:
        """Have the jails ignore ``unlimited``, and give up their bans of what lies within ``whitelisted``.

        Raises StockadeError; fail2ban ignores whom it ignored before then.
        """
        before = read_ours(self._path, HEADER) if os.path.lexists(self._path) else None
        if self._command is None or not os.path.isdir(self._files.directory):
            return self._leave(before, check=check)
        foreign = others(self._config_dir, self._path)
        after = render(unlimited, foreign)
        daemon = Daemon(
            self._run, client=self._client, command=self._command, config_dir=self._config_dir, systemctl=None
        )
        running = {jail: self._ignored(jail) for jail in daemon.running() or []}
        lines, warnings = self._ignore(before, after, running, foreign, daemon=None if check else daemon)
        if running:
            lines += self._lift(whitelisted, check=check)
        return Outcome(lines, warnings)

    def _leave(self, before: str | None, *, check: bool) -> Outcome:
        """fail2ban is gone: our file goes, and the directories that were left because of it."""
        if before is not None and not check:
            replace(self._path, None)
            with contextlib.suppress(OSError):  # not empty
                os.rmdir(self._files.directory)
                os.rmdir(self._config_dir)
        return Outcome(_lines(before, None), [])

    def _ignored(self, jail: str) -> Ignored:
        try:
            return keyed(str(text) for text in self._client.call(["get", jail, "ignoreip"]) or [])
        except Fail2banRefused as e:
            if e.kind == "UnknownJailException":  # stopped meanwhile
                return {}
            raise

    def _ignore(
        self,
        before: str | None,
        after: str | None,
        running: dict[str, Ignored],
        foreign: list[Setting],
        *,
        daemon: Daemon | None,
    ) -> tuple[list[str], list[str]]:
        """Bring file and running jails to ``after``, or only look without ``daemon``; what changed, and warnings."""
        if before is None and after is None:
            return [], []
        wanted = keyed(words_of(after))
        untidy = before is not None and self._files.untidy(IGNOREIP)
        if before == after and not untidy and all(wanted.keys() == ignored.keys() for ignored in running.values()):
            return [], []
        verdict, warnings = self._try(after, changed=before != after)
        told = {}
        for jail, ignored in running.items():
            configured = _configured(verdict, jail, wanted)
            # what no file says of a jail that no file knows is not ours to take
            surplus = (
                ignored if verdict and jail in verdict.wanted else keyed(words_of(before))
            ).keys() - configured.keys()
            add = [text for key, text in configured.items() if key not in ignored]
            told[jail] = Told(add, [ignored[key] for key in surplus if key in ignored])
        lines = _lines(before, after)
        if before == after:
            lines += ["fail2ban's jail %s ignores %s again" % (jail, text) for jail in told for text in told[jail].add]
            lines += ["fail2ban's jail %s no longer ignores %s" % (jail, x) for jail in told for x in told[jail].drop]
            lines += ["root owns %s" % self._path] if untidy else []
        if lines and daemon:
            self._carry_out(before, after, told, daemon, verdict)
        return lines, warnings + _deaf(verdict, wanted, foreign)

    def _carry_out(
        self, before: str | None, after: str | None, told: dict[str, Told], daemon: Daemon, verdict: Verdict | None
    ) -> None:
        done = []
        try:
            replace(self._path, _bytes(after), mode=MODE)
            for jail, change in told.items():
                done.append(jail)
                self._tell(jail, change, daemon, verdict.wanted if verdict else {})
        except (StockadeError, OSError) as e:
            replace(self._path, _bytes(before), mode=MODE)
            for jail in done:
                with contextlib.suppress(StockadeError):
                    self._tell(jail, told[jail].undone(), daemon, verdict.live if verdict else {})
            raise StockadeError("fail2ban does not follow the whitelist: %s; it ignores whom it did before" % e) from e

    def _tell(self, jail: str, change: Told, daemon: Daemon, configured: dict[str, list[list[Any]]]) -> None:
        """Raises StockadeError if the jail does not ignore what it should afterwards; one that is gone is fine."""
        if len(change.drop) > _MANY and jail in configured:
            daemon.reload(jail, configured[jail])
        else:
            try:
                if change.add:
                    self._client.call(["set", jail, "addignoreip", *change.add], timeout=PATIENCE)
                for text in change.drop:
                    self._client.call(["set", jail, "delignoreip", text])
            except Fail2banRefused as e:
                if e.kind == "UnknownJailException":
                    return
                raise
        ignored = self._ignored(jail)
        wrong = [text for key, text in keyed(change.add).items() if key not in ignored]
        wrong += [text for key, text in keyed(change.drop).items() if key in ignored]
        if wrong:
            raise StockadeError("jail %s does not take %s" % (jail, ", ".join(wrong[:5])))

    def _try(self, after: str | None, *, changed: bool) -> tuple[Verdict | None, list[str]]:
        """Have fail2ban's own code read the configuration as it will be.

        Raises StockadeError if it would refuse what it takes now. What is broken anyway is a warning, as the file will
        count once somebody mends it.
        """
        scratch = tempfile.mkdtemp(prefix="stockade-fail2ban-")
        shadow = os.path.join(scratch, "fail2ban")
        try:
            if not changed:
                return self._judge(self._config_dir), []
            copy_config(self._config_dir, shadow)
            replace(os.path.join(shadow, "jail.d", os.path.basename(self._path)), _bytes(after))
            verdict = self._judge(shadow)
            if not verdict.errors:
                return verdict, []
            why = "; ".join(str(error["error"]) for error in verdict.errors[:3])
            if after is not None and not self._judge(self._config_dir).errors:
                raise _Refused("fail2ban would not run with %s, it was not written: %s" % (self._path, why))
            return verdict, [_BROKEN % why]
        except _Refused:
            raise
        except (StockadeError, OSError) as e:
            return None, [_BROKEN % e]
        finally:
            shutil.rmtree(scratch, ignore_errors=True)

    def _judge(self, wanted: str) -> Verdict:
        return judge(self._run, client=str(self._command), live=self._config_dir, wanted=wanted)

    def _lift(self, whitelisted: list[Network], *, check: bool) -> list[str]:
        """A jail takes whom it holds for banned and does not look again, so it gives them up."""
        spared, lines, held = Covering(whitelisted), [], set()
        for jail, texts in sorted(self._client.banned().items()):
            found = sorted(text for network, text in parsed(texts).items() if network in spared)
            lines += ["fail2ban's jail %s gives up its ban of %s" % (jail, text) for text in found]
            held.update(found)
        if held and not check:
            in_batches(self._client, ["unban"], sorted(held))
        return lines


class _Refused(StockadeError):
    """fail2ban takes its configuration as it is, and not with our file."""


_BROKEN = "fail2ban's configuration is broken by itself, the whitelist counts there once it is mended: %s"


def _bytes(text: str | None) -> bytes | None:
    return None if text is None else text.encode("utf-8", "surrogateescape")


def _lines(before: str | None, after: str | None) -> list[str]:
    old, new = words_of(before), words_of(after)
    lines = ["fail2ban ignores " + word for word in new if word not in set(old)]
    return lines + ["fail2ban no longer ignores " + word for word in old if word not in set(new)]


def _configured(verdict: Verdict | None, jail: str, wanted: Ignored) -> Ignored:
    """Return whom a jail is to ignore by its files; all of the whitelist if fail2ban does not say."""
    if verdict is None or jail not in verdict.wanted:
        return wanted
    return keyed(str(word) for found in settings(verdict.wanted[jail], "addignoreip") for word in found)


def _deaf(verdict: Verdict | None, wanted: Ignored, foreign: list[Setting]) -> list[str]:
    """Warn of jails that another file has ignore something else."""
    found = []
    for jail in sorted(verdict.wanted) if verdict else []:
        if wanted.keys() <= _configured(verdict, jail, wanted).keys():
            continue
        winners = [setting for setting in foreign if setting.jail == jail]
        winners = winners or [setting for setting in foreign if setting.jail == "DEFAULT" and not setting.earlier]
        found.append(
            "fail2ban's jail %s does not ignore the whitelist: %s sets another ignoreip, remove that line"
            % (jail, winners[-1].where if winners else "another file")
        )
    return found
