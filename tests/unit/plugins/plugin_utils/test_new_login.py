# Copyright (c) 2026, stockade.fleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A new login shares nothing with the open session: seen on ansible's own ssh connection, which runs no ssh here."""

from __future__ import annotations

import itertools
import subprocess
import types
import typing as t

import pytest
from ansible.errors import AnsibleConnectionFailure, AnsibleOptionsError
from ansible.playbook.play_context import PlayContext
from ansible.plugins.loader import connection_loader

from ansible_collections.stockade.fleet.plugins.plugin_utils import _new_login

GIVEN = {
    "host": "fleet1.example.org",
    "port": 2022,
    "remote_user": "op",
    "password": "secret",
    "private_key_file": "/k/id",
    "ssh_args": "-C -o ControlMaster=auto -o ControlPersist=60s -o ControlPath=/tmp/cp",
    "ssh_common_args": "-o ProxyJump=jump.example.org -o ControlMaster=yes",
    "ssh_extra_args": "-o IdentityAgent=/a",
    "pipelining": True,
    "timeout": 60,
    "reconnection_retries": 3,
    "ssh_executable": "ssh",
}
CHANGED = {"ssh_args", "timeout", "pipelining", "reconnection_retries"}


class Action:
    """As much of an action plugin as a login needs; ``removed`` has what it took away there, and by which login."""

    def __init__(self, **options: t.Any) -> None:
        self._play_context = PlayContext()
        self._shared_loader_obj = types.SimpleNamespace(connection_loader=connection_loader)
        self._connection: t.Any = connection_loader.get("ssh", self._play_context)
        self._connection.set_options(direct={**GIVEN, **options})
        self._connection.set_become_plugin(types.SimpleNamespace(name="sudo"))
        self._connection._shell.tmpdir = "/tmp/old"
        self.removed: list[tuple[object, str | None]] = []
        self.breaks = False

    def _remove_tmp_path(self, path: str | None) -> None:
        self.removed.append((self._connection, path))
        if self.breaks:
            raise AnsibleConnectionFailure("gone")

    def login(self, **arguments: t.Any) -> t.Any:
        return _new_login.new_login(t.cast("t.Any", self), **arguments)


def first_said(connection: t.Any) -> dict[str, str]:
    """The options on ssh's command line; of one that is there twice ssh takes the first."""
    words = [word.decode() for word in connection._build_command("ssh", "ssh", "host", "true")]
    said: dict[str, str] = {}
    for flag, word in itertools.pairwise(words):
        name, sign, value = word.partition("=")
        if flag == "-o" and sign:
            said.setdefault(name, value)
    return said


def test_the_means_of_the_inventory_are_the_new_logins_too() -> None:
    action = Action()
    old, before = action._connection, action._connection.get_options()
    with action.login():
        fresh = action._connection
        assert fresh is not old and fresh.transport == "ssh"
        after = fresh.get_options()
        assert {name for name in before if before[name] != after[name]} == CHANGED
        assert first_said(fresh)["ProxyJump"] == "jump.example.org"
        assert first_said(fresh)["Port"] == "2022"
        assert fresh.become is old.become
    assert old.get_options() == before


@pytest.mark.parametrize("ssh_args", [GIVEN["ssh_args"], "", "-o ControlMaster=yes -o ControlPath=/tmp/cp"])
def test_no_session_that_is_open_is_used_and_none_is_left_open(ssh_args: str) -> None:
    action = Action(ssh_args=ssh_args)
    with action.login():
        said = first_said(action._connection)
        assert (said["ControlMaster"], said["ControlPath"], said["ControlPersist"]) == ("no", "none", "no")
        assert action._connection.get_option("ssh_args").startswith("-o ControlMaster=no -o ControlPath=none")
        assert action._connection.get_option("ssh_args").endswith(ssh_args or "ControlPersist=no")


def test_files_are_sent_and_nothing_waits_long_or_again() -> None:
    action = Action()
    with action.login():
        option = action._connection.get_option
        assert option("pipelining") is False
        assert (option("timeout"), option("reconnection_retries")) == (10, 0)
    action = Action(timeout=3)
    with action.login():
        assert action._connection.get_option("timeout") == 3


def test_another_port_is_the_new_logins_alone() -> None:
    action = Action()
    with action.login(port=2222):
        assert first_said(action._connection)["Port"] == "2222"
    assert first_said(action._connection)["Port"] == "2022"


def test_a_directory_on_the_host_is_the_new_logins_own_and_goes_with_it() -> None:
    action = Action()
    old = action._connection
    with action.login():
        fresh = action._connection
        assert fresh._shell.tmpdir is None and fresh._shell is not old._shell
        fresh._shell.tmpdir = "/tmp/new"
    assert action.removed == [(fresh, "/tmp/new")]
    assert old._shell.tmpdir == "/tmp/old"


@pytest.mark.parametrize("error", [AnsibleConnectionFailure("refused"), KeyError("x"), KeyboardInterrupt()])
@pytest.mark.parametrize("breaks", [True, False])
def test_the_tasks_connection_is_back_whatever_happens(
    monkeypatch: pytest.MonkeyPatch, error: BaseException, breaks: bool
) -> None:
    action = Action()
    action.breaks = breaks
    old = action._connection
    closed: list[object] = []

    def close(connection: object) -> None:
        closed.append(connection)

    monkeypatch.setattr(type(old), "close", close)
    with pytest.raises(type(error)), action.login():
        fresh = action._connection
        raise error
    assert action._connection is old
    assert closed == [fresh]


def test_a_login_that_cannot_even_be_made_leaves_the_tasks_connection(monkeypatch: pytest.MonkeyPatch) -> None:
    action = Action()
    old = action._connection

    def refuse(*_words: object, **_named: object) -> None:
        raise AnsibleOptionsError("bad")

    monkeypatch.setattr(type(old), "set_options", refuse)
    with pytest.raises(AnsibleOptionsError), action.login():
        raise AssertionError("there is no login")
    assert action._connection is old


def test_only_openssh_is_openssh() -> None:
    assert _new_login.is_openssh(Action()._connection)
    assert not _new_login.is_openssh(t.cast("t.Any", types.SimpleNamespace(transport="paramiko")))


def test_the_controllers_ssh_is_asked_with_the_inventorys_own_options(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its configuration may allow less than it knows, and for one host less than for another."""
    asked: list[list[str]] = []

    def run(command: t.Sequence[str], **_named: t.Any) -> t.Any:
        asked.append(list(command))
        said = "OpenSSH_9.2p1 Debian-2, OpenSSL 3.0\n" if "-V" in command else "port 22\nkexalgorithms a,b\nmacs c\n"
        return types.SimpleNamespace(stdout=said.encode())

    monkeypatch.setattr(subprocess, "run", run)
    found = _new_login.offered(Action(ssh_common_args="-F '/a b/config'", ssh_args="")._connection)
    assert found == {"program": ["OpenSSH_9.2p1 Debian-2"], "KexAlgorithms": ["a", "b"], "MACs": ["c"]}
    [words] = [words for words in asked if "-V" not in words]
    assert words[:3] == ["ssh", "-F", "/a b/config"] and words[-2:] == ["-G", "fleet1.example.org"]


@pytest.mark.parametrize(
    "error", [OSError("x"), subprocess.CalledProcessError(255, "ssh"), subprocess.TimeoutExpired("ssh", 1)]
)
def test_an_ssh_that_does_not_say_is_no_reason_to_fail(monkeypatch: pytest.MonkeyPatch, error: Exception) -> None:
    def run(*_words: t.Any, **_named: t.Any) -> t.Any:
        raise error

    monkeypatch.setattr(subprocess, "run", run)
    assert _new_login.offered(Action()._connection) == {"program": ["ssh"]}
