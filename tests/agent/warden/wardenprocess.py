# Copyright (c) 2026, stockade.fleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The real warden as a process of its own, on a machine of its own.

The machine is a mount and network namespace in which /etc, /run, /tmp and /var/lib are memory: the kernel's tables are
real, and nothing of the machine below is touched. The test stands where systemd does: it holds the socket, passes it to
each warden it starts, and hears what the warden notifies.
"""

from __future__ import annotations

import contextlib
import ipaddress
import json
import os
import random
import shutil
import signal
import socket
import sqlite3
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from stockade.client import Client
from stockade.warden.rows import network_of

SOURCE = Path(__file__).resolve().parents[3] / "roles" / "agent" / "files" / "src"
WARDEN_UID, WATCHER_UID, GROUP = 64901, 64902, 64903
OWN, OWN6, GATEWAY, RESOLVER = "198.51.100.10", "2001:db8:100::10", "198.51.100.1", "198.51.100.53"
SOCKET = "/run/stockade/warden.sock"
SECONDS = 30.0  # the longest a test waits for anything

_SETUP = """
mount -t tmpfs -o mode=0755 none /run
mkdir -p /run/etc /run/stockade /run/source /run/python
for name in ld.so.cache ld.so.conf ld.so.conf.d; do
    if [ -e "/etc/$name" ]; then cp -R "/etc/$name" /run/etc/; fi
done
mount --bind "$SOURCE" /run/source
mount --bind "$PREFIX" /run/python
if ls /run/python/lib/libpython*.so.* >/dev/null 2>&1; then ldconfig -C /run/etc/ld.so.cache /run/python/lib; fi
mount --bind /run/etc /etc
mount -t tmpfs -o mode=1777 none /tmp
mount -t tmpfs -o mode=0755 none /var/lib
mkdir /etc/stockade /var/lib/stockade
mount -t tmpfs -o "mode=0700,uid=$WARDEN_UID,gid=$GROUP,size=$STATE_SIZE" none /var/lib/stockade
hostname web1
ip link add d0 type veth peer name d1
ip link set lo up
ip link set d0 up
ip link set d1 up
ip address add 198.51.100.10/24 dev d0
ip address add 2001:db8:100::10/64 dev d0 nodad
ip route add default via 198.51.100.1
echo ready
exec cat
"""
_SPEAK = """
import socket, sys
sock = socket.socket(socket.AF_UNIX)
sock.settimeout(60)
try:
    sock.connect("/run/stockade/warden.sock")
except PermissionError as error:
    sys.exit(str(error))
answers = sock.makefile("rb")
for line in sys.stdin.buffer:
    try:
        sock.sendall(line)
        answer = answers.readline()
    except OSError:
        answer = b""
    sys.stdout.buffer.write(answer or b"null\\n")
    if not answer:
        break
"""
_LAUNCH = """
import os, sys
os.dup2(int(sys.argv[1]), 3)
os.environ.update(LISTEN_PID=str(os.getpid()), LISTEN_FDS="1")
os.execv(sys.argv[2], sys.argv[2:])
"""


def _cannot() -> str:
    """Why this machine cannot run a warden process, empty if it can."""
    if os.geteuid() != 0:
        return "needs root to make a mount and network namespace; molecule proves the same on the test hosts"
    missing = [name for name in ("unshare", "nsenter", "setpriv", "nft", "ip", "mount") if not shutil.which(name)]
    if missing:
        return f"needs {', '.join(missing)}; molecule proves the same on the test hosts"
    tried = subprocess.run(["unshare", "--mount", "--net", "--uts", "true"], capture_output=True, check=False)
    return "" if tried.returncode == 0 else "this machine does not allow namespaces; molecule proves the same"


_reason = _cannot()
needs_machine = pytest.mark.skipif(bool(_reason), reason=_reason or "never")


def eventually(condition: Callable[[], Any], seconds: float = SECONDS) -> bool:
    """Whether the condition comes true before the deadline."""
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.01)
    return True


class Machine:
    """One host. `unprivileged` makes it an unprivileged container: small socket buffers, one user."""

    def __init__(self, *, unprivileged: bool = False, state_size: str = "64m") -> None:
        self.warden: subprocess.Popen[bytes] | None = None
        self.told: list[str] = []  # what the warden notified, line by line
        self._unprivileged = unprivileged
        self._directory = Path(tempfile.mkdtemp(prefix="stockade-machine-"))
        owner = {"WARDEN_UID": 0, "GROUP": 0} if unprivileged else {"WARDEN_UID": WARDEN_UID, "GROUP": GROUP}
        self._holder = subprocess.Popen(
            ["unshare", "--mount", "--net", "--uts", "--propagation", "private"]
            + (["--user", "--map-root-user"] if unprivileged else [])
            + ["sh", "-euc", _SETUP],
            env={
                **os.environ,
                "SOURCE": str(SOURCE),
                "PREFIX": sys.base_prefix,
                "STATE_SIZE": state_size,
                **{name: str(value) for name, value in owner.items()},
            },
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )
        assert self._holder.stdout is not None and self._holder.stderr is not None
        if self._holder.stdout.readline() != b"ready\n":
            raise RuntimeError(f"no machine: {self._holder.stderr.read().decode()}")
        self._write_accounts()
        self.configure('origin = "web1"\n')
        self.socket = str(self.path(SOCKET))
        self._listener = self._bind(socket.SOCK_STREAM, SOCKET, 0o660)
        self._listener.listen(256)
        self._notifications = self._bind(socket.SOCK_DGRAM, "/run/notify", 0o666)
        self._hearing = threading.Thread(target=self._hear, daemon=True)
        self._hearing.start()

    def _write_accounts(self) -> None:
        users = {"root": (0, 0), "stockade-warden": (WARDEN_UID, GROUP), "stockade-watcher": (WATCHER_UID, GROUP)}
        lines = [f"{name}:x:{uid}:{gid}::/:/bin/sh\n" for name, (uid, gid) in users.items()]
        self.path("/etc/passwd").write_text("".join(lines) + "nobody:x:65534:65534::/:/bin/sh\n")
        self.path("/etc/group").write_text(f"root:x:0:\nstockade:x:{GROUP}:\nnogroup:x:65534:\n")
        self.path("/etc/nsswitch.conf").write_text("passwd: files\ngroup: files\n")
        self.path("/etc/resolv.conf").write_text(f"nameserver {RESOLVER}\n")

    def _bind(self, kind: socket.SocketKind, path: str, mode: int) -> socket.socket:
        sock = socket.socket(socket.AF_UNIX, kind | socket.SOCK_CLOEXEC)
        sock.bind(str(self.path(path)))
        self.path(path).chmod(mode)
        if not self._unprivileged:
            os.chown(self.path(path), 0, GROUP)
        return sock

    def remove(self) -> None:
        """Everything ends; the kernel takes the namespaces away with their last process."""
        self.kill()
        self._listener.close()
        with contextlib.closing(socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)) as last:
            last.sendto(b"", str(self.path("/run/notify")))
        self._hearing.join()
        self._notifications.close()
        self._holder.kill()
        self._holder.communicate()
        shutil.rmtree(self._directory)

    # files and programs of the machine

    def path(self, path: str) -> Path:
        """A file of the machine, as the test reaches it."""
        return Path(f"/proc/{self._holder.pid}/root{path}")

    @property
    def state(self) -> Path:
        """/var/lib/stockade."""
        return self.path("/var/lib/stockade")

    def configure(self, text: str) -> None:
        """Write warden.toml; it counts at the next start."""
        self.path("/etc/stockade/warden.toml").write_text(text)

    def inside(self, *words: str) -> list[str]:
        """The command line that runs `words` as root on the machine."""
        user = ["--user", "--preserve-credentials"] if self._unprivileged else []
        return ["nsenter", "--target", str(self._holder.pid), *user, "--mount", "--net", "--uts", *words]

    def run(self, *words: str, check: bool = True) -> subprocess.CompletedProcess[str]:
        """Run a program to its end, as root on the machine."""
        return subprocess.run(self.inside(*words), capture_output=True, text=True, check=check, timeout=120)

    def cover(self, path: str, script: str | None) -> None:
        """Put a script in the place of a program; None takes the whole directory away."""
        if script is None:
            self.run("mount", "-t", "tmpfs", "none", str(Path(path).parent))
            return
        stand_in = self.path(f"/run/{Path(path).name}")
        stand_in.write_text(script)
        stand_in.chmod(0o755)
        self.run("mount", "--bind", f"/run/{Path(path).name}", path)

    def uncover(self, path: str) -> None:
        """The end of `cover`."""
        target = path if self.path(f"/run/{Path(path).name}").exists() else str(Path(path).parent)
        subprocess.run(self.inside("umount", target), check=True)

    def python(self, *words: str, uid: int = 0, groups: str = "") -> list[str]:
        """The command line of the interpreter as a user of the machine."""
        interpreter = ["/run/python/bin/" + Path(os.path.realpath(sys.executable)).name, "-I", *words]
        if not uid:
            return self.inside(*interpreter)
        kept = ["--groups", groups] if groups else ["--clear-groups"]
        return self.inside("setpriv", "--reuid", str(uid), "--regid", str(uid), *kept, *interpreter)

    def stockade(self, *words: str, uid: int = 0, groups: str = "") -> subprocess.CompletedProcess[str]:
        """The command line of the agent."""
        command = self.python("/run/source", *words, uid=uid, groups=groups)
        return subprocess.run(command, capture_output=True, text=True, check=False, timeout=120)

    # the warden

    def start(self, *, capable: bool = True, preload: str = "", wait: bool = True) -> None:
        """Start the warden as its unit does; without `capable` it may not touch the kernel's tables."""
        python = "/run/python/bin/" + Path(os.path.realpath(sys.executable)).name
        drop: list[str] = []
        if not self._unprivileged:
            capabilities = "-all,+net_admin" if capable else "-all"
            drop = ["setpriv", "--reuid", str(WARDEN_UID), "--regid", str(GROUP), "--clear-groups", "--no-new-privs"]
            drop += ["--inh-caps", capabilities, "--ambient-caps", capabilities, "--bounding-set", capabilities]
        number = self._listener.fileno()
        self.told.clear()
        with (self._directory / "journal").open("ab") as journal:
            self.warden = subprocess.Popen(
                self.inside(*drop, python, "-I", "-c", _LAUNCH, str(number), python, "-I", "/run/source", "warden"),
                env={"PATH": os.environ["PATH"], "NOTIFY_SOCKET": "/run/notify", "LD_PRELOAD": preload},
                stderr=journal,
                pass_fds=[number],
                umask=0o077,
            )
        if wait:
            eventually(lambda: self.says("READY=1") or not self.alive)
            assert self.says("READY=1"), self.journal()

    @property
    def alive(self) -> bool:
        """Whether the warden runs."""
        return self.warden is not None and self.warden.poll() is None

    def says(self, line: str) -> bool:
        """Whether the warden notified a line that begins so since its start."""
        return any(told.startswith(line) for told in self.told)

    def _hear(self) -> None:
        """As systemd does, read what is notified: nobody is to wait for that."""
        while heard := self._notifications.recv(65536).decode():
            self.told += heard.splitlines()

    def status_text(self) -> str:
        """What `systemctl status` shows."""
        return next((line[7:] for line in reversed(self.told) if line.startswith("STATUS=")), "")

    def journal(self) -> str:
        """What the wardens of this machine wrote."""
        written = self._directory / "journal"
        return written.read_text() if written.exists() else ""

    def kill(self) -> None:
        """SIGKILL, and wait until it is gone."""
        if self.warden is not None:
            self.warden.send_signal(signal.SIGKILL)
            self.warden.wait()
            self.warden = None

    def stop(self) -> int:
        """SIGTERM, as systemd stops it; the exit code."""
        assert self.warden is not None
        self.warden.send_signal(signal.SIGTERM)
        code = self.warden.wait(SECONDS)
        self.warden = None
        return code

    # what is asked and seen

    def ask(self, op: str, **fields: Any) -> dict[str, Any]:
        """One request of root. Raises ProtocolError, WardenUnavailable."""
        client = Client(self.socket, timeout=SECONDS)
        try:
            return client.call(op, **fields)
        finally:
            client.close()

    def ban(self, *networks: str, **fields: Any) -> dict[str, Any]:
        """Ban in one request."""
        return self.ask("ban", bans=[{"network": network, **fields} for network in networks])

    def connect(self) -> socket.socket:
        """A connection of root."""
        sock = socket.socket(socket.AF_UNIX)
        sock.settimeout(SECONDS)

        def connected() -> bool:
            try:
                sock.connect(self.socket)
            except BlockingIOError:  # the queue is full: a socket with a timeout does not wait for that
                return False
            return True

        assert eventually(connected)
        return sock

    def speak(self, *requests: dict[str, Any], uid: int, groups: str = "") -> list[dict[str, Any] | None]:
        """The answers to another user's requests, None where the warden hung up. Raises PermissionError at the door."""
        lines = "".join(json.dumps({"v": 1, **request}) + "\n" for request in requests)
        command = self.python("-c", _SPEAK, uid=uid, groups=groups)
        done = subprocess.run(command, input=lines, capture_output=True, text=True, check=False, timeout=120)
        if "Permission denied" in done.stderr:
            raise PermissionError(done.stderr)
        return [json.loads(line) for line in done.stdout.splitlines()]

    def listed(self) -> list[dict[str, Any]]:
        """The live bans as the warden tells them."""
        rows: list[dict[str, Any]] = self.ask("bans", limit=200_000)["bans"]
        return rows

    def nft(self, *words: str) -> subprocess.CompletedProcess[str]:
        """What nft says about this machine, also while the machine's own nft is covered."""
        command = [word for word in self.inside("nft", *words) if word != "--mount"]
        return subprocess.run(command, capture_output=True, text=True, check=False, timeout=120)

    def kernel(self) -> dict[str, int | None]:
        """The banned networks that the kernel holds, with the seconds left (None: permanent)."""
        done = self.nft("-j", "list", "table", "inet", "stockade")
        if done.returncode != 0:
            return {}
        held: dict[str, int | None] = {}
        for item in json.loads(done.stdout)["nftables"]:
            name = item.get("set", {}).get("name", "")
            if not name.startswith("ban"):
                continue
            for element in item["set"].get("elem", []):
                value = element.get("elem", element) if isinstance(element, dict) else {"val": element}
                network = ipaddress.ip_network(f"{value['val']}/{name.partition('_')[2]}")
                text = str(network.network_address) if network.num_addresses == 1 else str(network)
                assert text not in held, f"{text} is in the kernel twice"
                held[text] = value.get("expires")
        return held

    def passes(self, network: str) -> bool:
        """Whether the kernel's whitelist names the network."""
        done = self.nft("list", "table", "inet", "stockade")
        return network in done.stdout.partition("chain")[0]

    def recorded(self) -> list[tuple[str, str]]:
        """Network and source of every row in the registry's file, read from a copy while no warden runs."""
        assert not self.alive
        copy = Path(tempfile.mkdtemp(dir=self._directory))
        for name in ("registry.db", "registry.db-wal"):
            if (self.state / name).exists():
                shutil.copy(self.state / name, copy)
        with contextlib.closing(sqlite3.connect(copy / "registry.db")) as registry:
            rows = registry.execute("SELECT key, source FROM bans").fetchall()
        return [(str(network_of(key)), source) for key, source in rows]


@contextlib.contextmanager
def machine(**options: Any) -> Iterator[Machine]:
    """A machine for one test; pytest shows what its warden wrote if the test fails."""
    made = Machine(**options)
    try:
        yield made
    finally:
        print(made.journal())
        made.remove()


def seeded() -> random.Random:
    """Random moments that a failed test can be repeated with: STOCKADE_SEED."""
    seed = int(os.environ.get("STOCKADE_SEED") or random.SystemRandom().randrange(1 << 32))
    print(f"STOCKADE_SEED={seed}")
    return random.Random(seed)
