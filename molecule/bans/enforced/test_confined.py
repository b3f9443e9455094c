# Copyright (c) 2026, stockade.fleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Each service may do what it must and is refused everything else: tried from inside its own unit's confinement."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest

SERVICES = ("stockade-warden", "stockade-watcher")
NET_ADMIN = 1 << 12

# Every attempt in a process of its own, as a forbidden system call may end it. Prints what became of each.
PROBE = r"""
import ctypes, json, mmap, os, socket, subprocess, sys, time

neighbours = json.loads(sys.argv[1])
state = os.environ["STATE_DIRECTORY"]
libc = ctypes.CDLL(None, use_errno=True)

def call(name, *arguments):
    if getattr(libc, name)(*arguments) < 0:
        raise OSError(ctypes.get_errno(), name)

def put(path):
    with open(path, "w") as file:
        file.write("x")
    os.unlink(path)

def get(path):
    with open(path, "rb") as file:
        file.read(1)

def connect(address, port):
    socket.create_connection((address, port), timeout=2).close()

def datagram():
    socket.socket(socket.AF_INET, socket.SOCK_DGRAM).sendto(b"x", ("198.18.77.77", 53))

def setuid_file():
    path = state + "/probe"
    try:
        put(path)
        os.close(os.open(path, os.O_CREAT | os.O_WRONLY, 0o600))
        os.chmod(path, 0o4755)
    finally:
        os.unlink(path)

def door():
    with socket.socket(socket.AF_UNIX) as sock:
        sock.connect("/run/stockade/warden.sock")

attempts = {
    "own state": lambda: put(state + "/probe"),
    "door": door,
    "kernel's rules": lambda: subprocess.run(["/usr/sbin/nft", "list", "tables"], check=True),
    **{f"write {path}": (lambda path=path: put(path)) for path in (
        "/etc/probe", "/etc/stockade/probe.toml", "/usr/local/bin/probe", "/usr/local/lib/stockade/probe",
        "/root/probe", "/home/probe", "/var/log/probe", "/var/lib/probe", "/var/www/probe", "/run/probe",
        "/run/stockade/probe", "/boot/probe", "/dev/probe", "/sys/kernel/probe", "/proc/sys/kernel/probe",
        "/var/lib/" + neighbours["state"] + "/probe",
    )},
    **{f"read {path}": (lambda path=path: get(path)) for path in (
        "/etc/shadow", "/etc/ssh/ssh_host_ed25519_key", "/root/.profile", "/dev/mem", "/dev/kmsg", "/proc/kcore",
        "/proc/1/environ", *neighbours["files"],
    )},
    **{f"signal {name}": (lambda pid=pid: os.kill(pid, 0)) for name, pid in neighbours["pids"].items()},
    **{f"trace {name}": (lambda p=pid: call("ptrace", 0x4206, p, 0, 0)) for name, pid in neighbours["pids"].items()},
    "connect to a host": lambda: connect("198.18.77.77", 22),
    "connect to a host by IPv6": lambda: connect("2001:db8:77::77", 22),
    "connect to itself": lambda: connect("127.0.0.1", 80),
    "send a datagram": datagram,
    "raw packets": lambda: socket.socket(socket.AF_PACKET, socket.SOCK_RAW),
    "become root": lambda: os.setuid(0),
    "change root": lambda: os.chroot("/"),
    "user namespace": lambda: call("unshare", 0x10000000),
    "mount": lambda: call("mount", b"none", b"/tmp", b"tmpfs", 0, None),
    "set the clock": lambda: time.clock_settime(time.CLOCK_REALTIME, time.time()),
    "real time": lambda: os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(1)),
    "host name": lambda: socket.sethostname("probe"),
    "writable code": lambda: mmap.mmap(-1, 4096, prot=mmap.PROT_READ | mmap.PROT_WRITE | mmap.PROT_EXEC),
    "setuid file": setuid_file,
    "device": lambda: os.mknod(state + "/device", 0o020600, os.makedev(1, 1)),
    "module": lambda: call("init_module", None, 0, b""),
    "other architecture": lambda: call("personality", 8),
    "see others": lambda: os.stat(f"/proc/{next(iter(neighbours['pids'].values()))}"),
}
found = {}
for name, attempt in attempts.items():
    sys.stdout.flush()
    child = os.fork()
    if child == 0:
        os.dup2(os.open("/dev/null", os.O_WRONLY), 1)
        try:
            attempt()
        except BaseException:
            os._exit(1)
        os._exit(0)
    code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    found[name] = "done" if code == 0 else "refused"
print(json.dumps(found))
"""
DROPPED = re.compile(
    r"(Type|ExecStart|ExecReload|Restart|RestartSec|RestartPreventExitStatus|WatchdogSec|Requires|Wants|After|Before|"
    r"Conflicts|Documentation|StartLimit\w+|Description)="
)
MAY = {
    "stockade-warden": {"own state", "door", "kernel's rules"},
    "stockade-watcher": {"own state", "door"},
}
# What the test hosts' own container refuses to root.
CONTAINER = {
    "module",
    "read /dev/kmsg",
    "read /dev/mem",
    "read /proc/kcore",
    "real time",
    "set the clock",
    "write /proc/sys/kernel/probe",
    "write /sys/kernel/probe",
}


def probe_unit(unit: str) -> str:
    """The unit with another program in it, and nothing else of its confinement changed."""
    kept = [line for line in unit.partition("[Install]")[0].splitlines() if not DROPPED.match(line)]
    extra = [
        "Type=oneshot",
        "RuntimeDirectoryPreserve=yes",
        "StandardError=journal",
        "StandardOutput=truncate:/run/stockade-probe.json",
        "ExecStart=/usr/bin/python3 -I /run/stockade-probe.py ${NEIGHBOURS}",
        "EnvironmentFile=/run/stockade-probe.env",
    ]
    return "\n".join(kept + extra) + "\n"


def neighbours(target: Any, service: str) -> dict[str, Any]:
    """The others on this host: their processes, and what is theirs alone."""
    other = next(name for name in SERVICES if name != service)
    pids = {}
    for unit in (other, "nginx", "fail2ban", "systemd-journald"):
        pids[unit] = int(target.shell("systemctl", "show", "--value", "-p", "MainPID", unit))
        assert pids[unit] > 0, unit
    state = {"stockade-warden": "stockade", "stockade-watcher": "stockade-watcher"}[other]
    files = target.script(f"find /var/lib/{state} -type f").split()
    return {"pids": pids, "state": state, "files": files}


@pytest.mark.parametrize("service", SERVICES)
def test_ah1_a_service_is_refused_what_it_must_not_do(target: Any, service: str) -> None:
    """AH1, AH2, B23: its own state, its own door, and for the warden the kernel's rules; nothing besides."""
    path = target.shell("systemctl", "show", "--value", "-p", "FragmentPath", service).strip()
    unit = target.shell("cat", path)
    wanted = json.dumps(neighbours(target, service)).replace(" ", "")
    files = {
        "/run/stockade-probe.py": PROBE,
        "/run/stockade-probe.env": f"NEIGHBOURS='{wanted}'\n",
        "/run/systemd/system/stockade-probe.service": probe_unit(unit),
    }
    try:
        for name, content in files.items():
            put(target, name, content)
        target.shell("systemctl", "daemon-reload")
        started = target.operator.shell(target.name, "systemctl", "start", "stockade-probe")
        journal = target.shell("journalctl", "-u", "stockade-probe", "-n", "40", "--no-pager")
        assert started.returncode == 0, journal
        said = target.shell("cat", "/run/stockade-probe.json")
        found = json.loads(said or json.dumps(journal))
        target.shell("mkdir", "/run/stockade-probe.d")
        as_root = "STATE_DIRECTORY=/run/stockade-probe.d unshare --mount --uts python3 -I /run/stockade-probe.py"
        control = json.loads(target.script(f"{as_root} '{wanted}' 2>/dev/null"))
    finally:
        target.script(
            "rm -rf /run/stockade-probe.* /run/systemd/system/stockade-probe.service; systemctl daemon-reload"
        )
    refused_to_root = {name for name, outcome in control.items() if outcome == "refused" and "trace" not in name}
    assert refused_to_root <= CONTAINER, "these attempts would show nothing"
    assert len(found) > 40
    assert {name for name, outcome in found.items() if outcome == "done"} == MAY[service]


def put(target: Any, path: str, content: str) -> None:
    target.shell("python3", "-c", "import sys; open(sys.argv[1], 'w').write(sys.argv[2])", path, content)


def test_b23_each_service_is_a_user_of_its_own_with_what_it_needs(target: Any) -> None:
    """B23: the warden may change the kernel's rules, the watcher nothing."""
    for service, rights in (("stockade-warden", NET_ADMIN), ("stockade-watcher", 0)):
        pid = target.shell("systemctl", "show", "--value", "-p", "MainPID", service).strip()
        status = dict(line.split(":", 1) for line in target.shell("cat", f"/proc/{pid}/status").splitlines())
        assert target.shell("id", "-nu", status["Uid"].split()[0]).strip() == service
        for kind in ("CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"):
            assert int(status[kind], 16) == rights, (service, kind)
        assert status["NoNewPrivs"].strip() == "1"
        words = target.shell("cat", f"/proc/{pid}/cmdline").split("\0")
        assert words[1] == "-I", "neither the environment nor a directory decides what code runs"


def test_every_unit_is_exposed_as_little_as_can_be(target: Any) -> None:
    units = re.findall(
        r"stockade-\w+\.service", target.shell("systemctl", "list-units", "--all", "--plain", "stockade*")
    )
    assert {f"{service}.service" for service in SERVICES} <= set(units)
    for unit in set(units):
        said = target.shell("systemd-analyze", "security", "--no-pager", unit).splitlines()[-1]
        exposure = re.search(r"exposure level for \S+: ([0-9.]+)", said)
        assert exposure and float(exposure[1]) <= 1.5, said


def test_ah2_ah3_what_runs_belongs_to_root_and_lies_in_no_web_root(target: Any) -> None:
    """AH1, AH2, AH3: no sudoers, nothing that a user could change, nothing that a web server could hand out."""
    mine = "find /usr/local/lib/stockade /usr/local/bin/stockade /etc/stockade /etc/fail2ban/action.d/stockade*"
    assert target.script(f"{mine} ! -type l \\( ! -user root -o -perm /022 \\)") == ""
    assert target.script("grep -rl stockade /etc/sudoers /etc/sudoers.d || true") == ""
    assert target.script("find /var/www /usr/share/nginx /srv -iname '*stockade*' 2>/dev/null || true") == ""
    assert target.script("crontab -l 2>/dev/null | grep stockade || true") == ""


def test_the_boot_waits_for_the_warden_and_never_hangs_on_it(target: Any) -> None:
    shown = target.shell("systemctl", "show", "stockade-warden.service")
    unit = dict(line.split("=", 1) for line in shown.splitlines() if "=" in line)
    assert "network-pre.target" in unit["Before"].split()
    after = {"local-fs.target", "nftables.service", "ufw.service", "firewalld.service", "netfilter-persistent.service"}
    assert after <= set(unit["After"].split())
    assert "basic.target" not in unit["After"].split(), "DefaultDependencies=no"
    assert "sysinit.target" not in unit["After"].split()
    assert unit["TimeoutStartUSec"] not in ("infinity", "") and int(unit["StartLimitBurst"]) > 0
    assert "ordering cycle" not in target.shell("journalctl", "-b", "--no-pager", "-q")
