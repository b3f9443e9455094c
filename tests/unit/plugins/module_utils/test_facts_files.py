# Copyright (c) 2026, stockade.fleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Files that an auditor should hear of, in a directory that plays the host."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from ansible_collections.stockade.fleet.plugins.module_utils import _facts_files
from ansible_collections.stockade.fleet.plugins.module_utils._agent import tree

FILES = {
    "lib/1.0-abc/stockade/client.py": 0o644,
    "etc/stockade/warden.toml": 0o644,
    "etc/stockade/credentials/token": 0o600,
    "etc/fail2ban/action.d/tell.conf": 0o644,
    "etc/ssh/sshd_config": 0o644,
    "etc/ssh/ssh_host_rsa_key": 0o600,
    "etc/ssh/ssh_host_rsa_key.pub": 0o644,
    "etc/ssh/keys/bob": 0o666,  # of a user: his affair
    "systemd/stockade-warden.service": 0o644,
    "systemd/stockade-warden.service.d/stockade.conf": 0o644,
    "var/stockade/registry.db": 0o600,
}


@pytest.fixture
def host(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A host on which all is well. Whoever runs this plays root."""
    for name, mode in FILES.items():
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(name)
        path.chmod(mode)
    for directory, _directories, _names in os.walk(tmp_path):
        os.chmod(directory, 0o755)
    for private in ("etc/stockade/credentials", "var/stockade"):
        (tmp_path / private).chmod(0o700)
    monkeypatch.setattr(_facts_files, "ROOT", os.getuid())
    for name in ("_TREES", "_PLACES", "_SECRETS"):
        here = {"/usr/local/lib/stockade": "/lib", "/etc/systemd/system/": "/systemd/", "/var/lib/": "/var/"}
        patterns = []
        for pattern in getattr(_facts_files, name):
            for there, local in here.items():
                pattern = pattern.replace(there, local)
            patterns.append(str(tmp_path) + pattern)
        monkeypatch.setattr(_facts_files, name, tuple(patterns))
    monkeypatch.setattr(tree, "BASE", str(tmp_path / "lib"))
    monkeypatch.setattr(tree, "CURRENT", str(tmp_path / "lib/current"))
    (tmp_path / "lib/current").symlink_to("1.0-abc")
    digest = tree._digest(str(tmp_path / "lib/1.0-abc/stockade/client.py"))
    (tmp_path / "lib/1.0-abc/manifest.json").write_text(json.dumps({"stockade/client.py": digest}))
    return tmp_path


def found(host: Path) -> set[tuple[str, str]]:
    return {(row["kind"], os.path.relpath(row["path"], host)) for row in _facts_files.files()}


def test_where_all_is_well_nothing_is_told(host: Path) -> None:
    assert _facts_files.files() == []


@pytest.mark.parametrize(
    "name",
    [
        "lib",
        "lib/1.0-abc/stockade/client.py",
        "etc/stockade",
        "etc/stockade/warden.toml",
        "etc/fail2ban/action.d",
        "etc/fail2ban/action.d/tell.conf",
        "etc/ssh",
        "etc/ssh/sshd_config",
        "systemd/stockade-warden.service",
        "systemd/stockade-warden.service.d",
        "systemd/stockade-warden.service.d/stockade.conf",
    ],
)
def test_what_root_obeys_and_others_may_write(host: Path, name: str) -> None:
    (host / name).chmod((host / name).stat().st_mode | 0o002)
    assert found(host) == {("writable", name)}


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a file away")
def test_an_owner_and_a_group(host: Path) -> None:
    config = host / "etc/stockade/warden.toml"
    os.chown(config, 65534, 0)
    assert found(host) == {("writable", "etc/stockade/warden.toml")}
    config.chmod(0o664)
    os.chown(config, 0, 65534)
    (row,) = _facts_files.files()
    assert row["kind"] == "writable" and "root:" in row["problem"] and "mode 0664" in row["problem"]
    os.chown(config, 0, 0)
    assert _facts_files.files() == []  # a group that is root's own


@pytest.mark.parametrize("name", ["etc/stockade/credentials", "etc/ssh/ssh_host_rsa_key", "var/stockade"])
def test_a_secret_that_others_may_read(host: Path, name: str) -> None:
    (host / name).chmod((host / name).stat().st_mode | 0o004)
    assert found(host) == {("readable", name)}


def test_a_program_that_is_not_what_was_installed(host: Path) -> None:
    program = host / "lib/1.0-abc/stockade/client.py"
    program.write_text("by hand")
    assert found(host) == {("changed", "lib/1.0-abc/stockade/client.py")}
    program.unlink()
    assert found(host) == {("changed", "lib/1.0-abc/stockade/client.py")}
    for manifest in ("[]", "{}", "nonsense"):
        (host / "lib/1.0-abc/manifest.json").write_text(manifest)
        assert found(host) == {("changed", "lib/1.0-abc/manifest.json")}


def test_a_link_is_what_it_leads_to(host: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    elsewhere = tmp_path_factory.mktemp("home") / "mine.conf"
    elsewhere.write_text("")
    elsewhere.chmod(0o666)
    (host / "etc/fail2ban/jail.local").symlink_to(elsewhere)
    (host / "etc/fail2ban/gone").symlink_to("/nonexistent/file")
    (host / "systemd/ssh.service").symlink_to("/dev/null")  # masked
    assert found(host) == {("writable", "etc/fail2ban/jail.local")}


def test_without_agent_fail2ban_and_ssh_there_is_nothing(host: Path) -> None:
    for name in ("lib", "etc", "systemd", "var"):
        (host / name).rename(host / f"{name}.gone")
    assert _facts_files.files() == []


def test_a_name_may_be_any_bytes_and_rows_have_an_end(host: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in (b"\xff\n", b"a", b"b"):
        path = os.path.join(os.fsencode(host), b"etc/stockade", name)
        with open(path, "wb"):
            os.chmod(path, 0o666)
    monkeypatch.setattr(_facts_files, "MOST", 2)
    rows = _facts_files.files()
    assert [os.path.basename(row["path"]) for row in rows] == ["\\xff\n", "a"]
    json.dumps(rows, ensure_ascii=False).encode("utf-8")
