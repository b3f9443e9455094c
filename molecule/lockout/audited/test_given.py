# Copyright (c) 2026, stockade.fleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Values that a site gives are those in force: by sshd's own reading, and by whom it lets in."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from typing import Any

import pytest
from conftest import FLEET
from lockouthosts import ADDRESSES, CONTROLLER, Host

DEBIAN_13 = ("web2", "gate")  # from OpenSSH 9.5 on a second Subsystem is no error
LEGACY = "/etc/ssh/sshd_config.d/50-legacy.conf"
# A well-known guide's values, as a site would give them, and what `sshd -T` has to say of each.
SETTINGS: dict[str, tuple[Any, str]] = {
    "KexAlgorithms": (
        [
            "curve25519-sha256@libssh.org",
            "ecdh-sha2-nistp521",
            "ecdh-sha2-nistp384",
            "ecdh-sha2-nistp256",
            "diffie-hellman-group-exchange-sha256",
        ],
        "curve25519-sha256@libssh.org,ecdh-sha2-nistp521,ecdh-sha2-nistp384,ecdh-sha2-nistp256,"
        "diffie-hellman-group-exchange-sha256",
    ),
    "Ciphers": (
        "chacha20-poly1305@openssh.com,aes256-gcm@openssh.com,aes128-gcm@openssh.com,aes256-ctr,aes192-ctr,aes128-ctr",
        "chacha20-poly1305@openssh.com,aes256-gcm@openssh.com,aes128-gcm@openssh.com,aes256-ctr,aes192-ctr,aes128-ctr",
    ),
    "MACs": (
        [
            "hmac-sha2-512-etm@openssh.com",
            "hmac-sha2-256-etm@openssh.com",
            "hmac-sha2-512",
            "hmac-sha2-256",
            "umac-128@openssh.com",
        ],
        "hmac-sha2-512-etm@openssh.com,hmac-sha2-256-etm@openssh.com,hmac-sha2-512,hmac-sha2-256,umac-128@openssh.com",
    ),
    "LogLevel": ("VERBOSE", "VERBOSE"),
    "PermitUserEnvironment": (False, "no"),
    "X11Forwarding": (False, "no"),
    "AllowTcpForwarding": (False, "no"),
    "AllowStreamLocalForwarding": (False, "no"),
    "GatewayPorts": (False, "no"),
    "PermitTunnel": (False, "no"),
    "AllowAgentForwarding": (False, "no"),
    "PermitEmptyPasswords": (False, "no"),
    "IgnoreRhosts": (True, "yes"),
    "UseDNS": (True, "yes"),
    "Compression": (False, "no"),
    "TCPKeepAlive": (False, "no"),
    "PermitRootLogin": (False, "no"),
    "HostbasedAuthentication": (False, "no"),
    "RequiredRSASize": (3072, "3072"),
    "ClientAliveCountMax": (3, "3"),
    "ClientAliveInterval": (15, "15"),
    "LoginGraceTime": (30, "30"),
    "MaxAuthTries": (2, "2"),
    "MaxSessions": (2, "2"),
    "MaxStartups": (2, "2:30:2"),
    "PasswordAuthentication": (False, "no"),
    "PubkeyAuthentication": (True, "yes"),
}
SFTP = "internal-sftp -f AUTHPRIV -l INFO"


def effective(host: Host) -> dict[str, list[str]]:
    """Keyword to values, for the operator's own connection."""
    values: dict[str, list[str]] = {}
    asked = f"mkdir -p /run/sshd && sshd -T -C user=operator,host=controller,addr={CONTROLLER}"
    for line in host.shell(asked).splitlines():
        keyword, _space, value = line.partition(" ")
        values.setdefault(keyword, []).append(value)
    return values


def login(host: Host, user: str = "operator", *options: str) -> subprocess.CompletedProcess[str]:
    """One new login with the fleet's key."""
    words = ["ssh", "-F", "none", "-i", str(FLEET / "id_ed25519"), "-o", "IdentitiesOnly=yes", "-o", "BatchMode=yes"]
    words += ["-o", "StrictHostKeyChecking=no", "-o", "UserKnownHostsFile=/dev/null", "-o", "ConnectTimeout=5"]
    command = [*words, *options, f"{user}@{ADDRESSES[host.name][0]}", "true"]
    return subprocess.run(command, capture_output=True, text=True, timeout=30, check=False)


@pytest.fixture
def legacy(host: Host) -> Iterator[None]:
    """A site's own file allows a cipher that the distribution does not."""
    host.shell(f"echo 'Ciphers +aes128-cbc' > {LEGACY}")
    host.reread()
    yield
    host.shell(f"rm {LEGACY}")
    host.reread()
    assert host.lets_in()


@pytest.fixture
def groups(host: Host) -> Iterator[None]:
    """The operator is in the group of those who may log in; another user with the same key is not."""
    host.shell(
        "groupadd sshusers && usermod -aG sshusers operator && useradd -m -p '*' outsider"
        " && install -d -m 0700 -o outsider -g outsider ~outsider/.ssh"
        " && install -m 0600 -o outsider -g outsider ~operator/.ssh/authorized_keys ~outsider/.ssh/authorized_keys"
    )
    yield
    host.shell("userdel -r outsider 2>/dev/null; groupdel sshusers")


def test_a_guides_values_are_in_force_as_given(legacy: None, guest: Host) -> None:
    """A43, E13, E15, E16: keys only; and who knows nothing but a cipher that was taken away is refused."""
    old = ("-c", "aes128-cbc", "-m", "hmac-sha2-256")
    assert login(guest, "operator", *old).returncode == 0

    settings = {keyword: given for keyword, (given, _wanted) in SETTINGS.items()}
    done = guest.harden(profile="none", settings=settings, host_keys=["ed25519", "rsa", "ecdsa"])
    assert not done["failed"] and done["changed"], done
    seen = effective(guest)
    wanted = {keyword.lower(): [value] for keyword, (_given, value) in SETTINGS.items()}
    assert {keyword: seen[keyword] for keyword in wanted} == wanted
    assert [path.rsplit("_", 2)[1] for path in seen["hostkey"]] == ["ed25519", "rsa", "ecdsa"]

    refused = login(guest, "operator", *old)
    assert refused.returncode != 0 and "no matching cipher" in refused.stderr, refused.stderr
    assert login(guest).returncode == 0


@pytest.mark.parametrize("host", DEBIAN_13, indirect=True)
def test_files_are_served_by_sshd_itself(guest: Host) -> None:
    """E15, EH2: a second Subsystem, where sshd takes one."""
    done = guest.harden(settings={"Subsystem": f"sftp {SFTP}"})
    assert not done["failed"] and done["changed"], done
    assert effective(guest)["subsystem"] == [f"sftp {SFTP}"]


def test_only_members_of_the_group_get_in(groups: None, guest: Host) -> None:
    """E14: by the effective value, a login of each kind, and what the log says."""
    assert login(guest, "outsider").returncode == 0
    done = guest.harden(allow_groups=["sshusers"])
    assert not done["failed"] and done["changed"], done
    assert effective(guest)["allowgroups"] == ["sshusers"]
    assert login(guest).returncode == 0
    assert login(guest, "outsider").returncode == 255
    said = guest.shell("journalctl --quiet --no-pager --output=cat --since=-1min _COMM=sshd _COMM=sshd-session")
    why = "not allowed because none of user's groups are listed in AllowGroups"
    assert f"User outsider from {CONTROLLER} {why}" in said, said


@pytest.mark.parametrize("host", ("web1",), indirect=True)
def test_no_short_prime_is_used_and_the_distributions_file_is_not_touched(guest: Host) -> None:
    """E20, EH8: what is left of the file is what a guide's awk keeps of it; a second run finds nothing to do."""
    kept = guest.shell("awk '!/^#/ && $5 >= 3071' /etc/ssh/moduli").splitlines()
    assert kept and len(kept) < len(guest.shell("grep -v '^#' /etc/ssh/moduli").splitlines())

    wish = {"profile": "intermediate"}
    done = guest.harden(**wish)
    assert not done["failed"] and done["changed"], done
    [used] = effective(guest)["modulifile"]
    assert used != "/etc/ssh/moduli"
    assert guest.shell(f"grep -v '^#' {used}").splitlines() == kept
    assert guest.shell(f"stat -c '%a %U:%G' {used}") == guest.shell("stat -c '%a %U:%G' /etc/ssh/moduli")
    again = guest.harden(**wish)
    assert not again["failed"] and not again["changed"], again


def test_a_keyword_of_the_client_never_reaches_the_files(host: Host) -> None:
    """EH1: sshd would not start with it."""
    before = host.files()
    refused = host.harden(settings={"HashKnownHosts": True})
    assert refused["failed"] and "does not know the keyword HashKnownHosts" in refused["msg"], refused
    assert host.files() == before
