# Copyright (c) 2026, stockade.fleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is opened for sshd on a host with this or that firewall, and that only this is closed again."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from portlab import NOBODY

from ansible_collections.stockade.fleet.plugins.module_utils._errors import StockadeError
from ansible_collections.stockade.fleet.plugins.module_utils._ssh import doors, host
from ansible_collections.stockade.fleet.plugins.module_utils._ssh.doors import Doors

WARNING = "a ruleset of nftables that drops by default may not let port 2222 in: the new login will tell"


class Site:
    """A host's programs as far as they matter; one that is not named is not installed."""

    def __init__(self, tmp_path: Path, *programs: str) -> None:
        self.programs = set(programs)
        self.record = tmp_path / "state" / "opened"
        self.asked: list[str] = []
        self.fail: dict[str, tuple[int, str]] = {}
        self.garbage = ""
        self.ufw = ["ufw allow 22/tcp"]
        self.ufw_active = True
        self.firewalld: dict[str, set[str]] = {"now": set(), "permanent": set()}
        self.services: set[str] = set()  # in the zone, now and permanently
        self.firewalld_running = True
        self.mode = "Enforcing"
        self.policy = {
            "ssh_port_t": "22",
            "http_cache_port_t": "8080, 8118, 10001-10010",
            "unreserved_port_t": "1024-32767",
        }
        self.local: dict[str, str] = {}
        self.ruleset = "{}"
        self.doors = Doors(self.run, record=str(self.record), find=self.find)

    def find(self, name: str) -> str | None:
        return "/usr/sbin/" + name if name in self.programs else None

    def run(self, words: list[str]) -> tuple[int, str, str]:
        assert words[0].startswith("/usr/sbin/"), words
        name, *rest = [words[0].rpartition("/")[2], *words[1:]]
        line = " ".join([name, *rest])
        self.asked.append(line)
        for start, (rc, err) in self.fail.items():
            if line.startswith(start):
                return rc, "", err
        if self.garbage:
            return 0, self.garbage, ""
        handler = {"ufw": self._ufw, "firewall-cmd": self._firewall, "semanage": self._semanage}
        if name in handler:
            return handler[name](rest)
        return 0, {"getenforce": self.mode + "\n", "nft": self.ruleset}[name], ""

    def _ufw(self, words: list[str]) -> tuple[int, str, str]:
        if words == ["status"]:
            return 0, "Status: {}\n".format("active" if self.ufw_active else "inactive"), ""
        if words == ["show", "added"]:
            return 0, "Added user rules (see 'ufw status' for running firewall):\n" + "\n".join(self.ufw) + "\n", ""
        if words[:2] == ["app", "info"]:
            ports = {"OpenSSH": "Port:\n  22/tcp\n", "Our SSH": "Ports:\n  53/udp\n  2200:2300/tcp\n  80,443\n"}
            text = ports.get(words[2], "")
            return (0, "Profile: {}\nTitle: x\n\n{}".format(words[2], text), "") if text else (1, "", "no profile\n")
        if words[0] == "delete":
            self.ufw = [rule for rule in self.ufw if not rule.startswith(" ".join(["ufw", *words[1:]]))]
            return 0, "Rule deleted\n", ""
        place = 0 if words[0] == "prepend" else len(self.ufw)
        *rule, comment, text = words[1:] if words[0] == "prepend" else words
        self.ufw.insert(place, "ufw {} {} '{}'".format(" ".join(rule), comment, text))
        return 0, "Rule added\n", ""

    def _firewall(self, words: list[str]) -> tuple[int, str, str]:
        if words == ["--state"]:
            return (0, "running\n", "") if self.firewalld_running else (252, "", "not running\n")
        if words == ["--get-default-zone"]:
            return 0, "public\n", ""
        ports = self.firewalld["permanent" if words[0] == "--permanent" else "now"]
        zone, what = words[-2:]
        assert zone == "--zone=public"
        verb, port = what.split("=")
        if verb == "--query-service":
            return (0, "yes\n", "") if port in self.services else (1, "no\n", "")
        if verb == "--query-port":
            return (0, "yes\n", "") if port in ports else (1, "no\n", "")
        (ports.add if verb == "--add-port" else ports.remove)(port)
        return 0, "success\n", ""

    def _semanage(self, words: list[str]) -> tuple[int, str, str]:
        if words[:2] == ["port", "-l"]:
            rows = [] if "-C" in words else list(self.policy.items())
            rows += [(label, port) for port, label in self.local.items()]
            head = "SELinux Port Type              Proto    Port Number\n\n"
            return 0, head + "".join("{:30} {:8} {}\n".format(label, "tcp", ports) for label, ports in rows), ""
        port = words[-1]
        known = port in self.local or any(port in ports.split(", ") for ports in self.policy.values())
        if words[1] == "-d":
            assert port in self.local
            del self.local[port]
        else:
            assert known == (words[1] == "-m"), "Port tcp/{} is {}defined".format(port, "" if known else "not ")
            self.local[port] = words[3]
        return 0, "", ""

    def changes(self) -> list[str]:
        """The commands so far that are no questions."""
        questions = ("status", "show", "app info", "--state", "--get", "--query", "getenforce", "-l", "nft")
        return [line for line in self.asked if not any(word in line for word in questions)]

    def recorded(self) -> list[str]:
        return self.record.read_text().splitlines() if self.record.exists() else []


def test_nothing_there(tmp_path: Path) -> None:
    site = Site(tmp_path)
    assert site.doors.check([2222]) == site.doors.open([2222]) == site.doors.close([]) == []
    assert site.asked == [] and not site.record.parent.exists()


def test_no_port_asks_nothing(tmp_path: Path) -> None:
    site = Site(tmp_path, "ufw", "firewall-cmd", "getenforce", "nft")
    assert site.doors.check([]) == site.doors.open([]) == site.doors.close([22]) == []
    assert site.asked == []


def test_ufw(tmp_path: Path) -> None:
    site = Site(tmp_path, "ufw")
    assert site.doors.check([22, 2222]) == ["ufw: allow 2222/tcp"]
    assert site.changes() == [] and site.recorded() == []
    assert site.doors.open([22, 2222]) == ["ufw: allow 2222/tcp"]
    assert site.doors.open([2222]) == site.doors.check([2222]) == site.doors.close([22, 2222]) == []
    assert site.changes() == ["ufw allow 2222/tcp comment stockade-ssh"]
    assert site.recorded() == ["ufw 2222"]
    assert site.record.stat().st_mode & 0o777 == 0o600 and site.record.parent.stat().st_mode & 0o777 == 0o700
    assert site.doors.close([22]) == ["ufw: delete allow 2222/tcp"]
    assert site.doors.close([22]) == []
    assert site.ufw == ["ufw allow 22/tcp"] and not site.record.exists()


def test_ufw_not_active(tmp_path: Path) -> None:
    site = Site(tmp_path, "ufw")
    site.ufw_active = False
    assert site.doors.open([2222]) == [] and site.asked == ["ufw status"]


def test_ufw_switched_off_meanwhile(tmp_path: Path) -> None:
    """Its rules come back with it, so ours goes."""
    site = Site(tmp_path, "ufw")
    site.doors.open([2222])
    site.ufw_active = False
    assert site.doors.close([]) == ["ufw: delete allow 2222/tcp"]


@pytest.mark.parametrize(
    "rule",
    [
        "allow 2222/tcp",
        "allow 2222",
        "limit 2222/tcp comment 'my own'",
        "allow log 2222/tcp",
        "allow 22,2222/tcp",
        "allow 2000:3000/tcp",
        "allow from 10.0.0.0/8 to any port 2222 proto tcp",
        "allow in on eth0 to any port 2222",
        "allow to 198.18.77.22 port 80,2222 proto tcp comment 'x'",
    ],
)
def test_ufw_rule_of_the_site(tmp_path: Path, rule: str) -> None:
    """Whom it lets in was somebody's decision."""
    site = Site(tmp_path, "ufw")
    site.ufw.append("ufw " + rule)
    before = list(site.ufw)
    assert site.doors.open([2222]) == site.doors.close([]) == []
    assert site.ufw == before and site.recorded() == []


@pytest.mark.parametrize(
    "rule",
    [
        "allow 2222/udp",
        "allow 22222/tcp",
        "allow out 2222/tcp",
        "allow out to 10.0.0.1 port 2222 proto tcp",
        "route allow 2222/tcp",
        "allow from 10.0.0.1 port 2222",
        "allow from any to any port 2222 proto udp",
        "allow OpenSSH",
        "deny from 10.0.0.0/8 to any port 2222",
    ],
)
def test_ufw_rule_for_something_else(tmp_path: Path, rule: str) -> None:
    site = Site(tmp_path, "ufw")
    site.ufw.append("ufw " + rule)
    assert site.doors.open([2222]) == ["ufw: allow 2222/tcp"]


@pytest.mark.parametrize(
    ("rule", "port", "opened"),
    [
        ("allow OpenSSH", 22, False),
        ("limit OpenSSH comment 'x'", 22, False),
        ("allow from 10.0.0.0/8 to any app OpenSSH", 22, False),
        ("allow in on eth0 to any app 'Our SSH'", 2222, False),
        ("allow 'Our SSH'", 443, False),
        ("allow 'Our SSH'", 53, True),
        ("allow from 10.0.0.0/8 to any app OpenSSH", 2222, True),
        ("allow Unknown", 22, True),
    ],
)
def test_ufw_rule_by_the_name_of_a_profile(tmp_path: Path, rule: str, port: int, opened: bool) -> None:
    site = Site(tmp_path, "ufw")
    site.ufw = ["ufw " + rule]
    assert site.doors.open([port]) == (["ufw: allow {}/tcp".format(port)] if opened else [])


def test_ufw_shut_by_the_name_of_a_profile(tmp_path: Path) -> None:
    site = Site(tmp_path, "ufw")
    site.ufw = ["ufw deny 'Our SSH'"]
    with pytest.raises(StockadeError, match="keeps port 2222 shut"):
        site.doors.check([2222])


@pytest.mark.parametrize("rule", ["deny 2222/tcp", "reject 2222", "deny 2000:3000/tcp comment 'no'"])
def test_ufw_shut_by_the_site(tmp_path: Path, rule: str) -> None:
    """`ufw allow` would turn that rule into its contrary."""
    site = Site(tmp_path, "ufw")
    site.ufw.append("ufw " + rule)
    for method in (site.doors.check, site.doors.open):
        with pytest.raises(StockadeError, match="keeps port 2222 shut by a rule of the site, `ufw {}".format(rule[:8])):
            method([2222])
    assert site.changes() == [] and site.recorded() == []


def test_ufw_before_a_rule_that_denies_all(tmp_path: Path) -> None:
    site = Site(tmp_path, "ufw")
    site.ufw.append("ufw deny to any")
    site.doors.open([2222])
    assert site.ufw == ["ufw allow 2222/tcp comment 'stockade-ssh'", "ufw allow 22/tcp", "ufw deny to any"]


def test_ufw_rule_taken_over_by_the_site(tmp_path: Path) -> None:
    site = Site(tmp_path, "ufw")
    site.doors.open([2222])
    site.ufw[1] = "ufw allow 2222/tcp comment 'ours now'"
    assert site.doors.close([]) == []
    assert len(site.ufw) == 2 and site.recorded() == []


def test_firewalld(tmp_path: Path) -> None:
    site = Site(tmp_path, "firewall-cmd")
    texts = ["firewalld: allow 2222/tcp in zone public ({})".format(when) for when in ("runtime", "permanent")]
    assert site.doors.check([2222]) == texts and site.changes() == []
    assert site.doors.open([2222]) == texts
    assert site.doors.open([2222]) == []
    assert site.firewalld == {"now": {"2222/tcp"}, "permanent": {"2222/tcp"}}
    assert site.recorded() == ["firewalld 2222 public", "firewalld-permanent 2222 public"]
    assert site.doors.close([22]) == [text.replace("allow", "remove") for text in texts]
    assert site.firewalld == {"now": set(), "permanent": set()} and site.recorded() == []


def test_firewalld_half_opened_by_the_site(tmp_path: Path) -> None:
    site = Site(tmp_path, "firewall-cmd")
    site.firewalld["now"].add("2222/tcp")
    assert site.doors.open([2222]) == ["firewalld: allow 2222/tcp in zone public (permanent)"]
    site.doors.close([])
    assert site.firewalld == {"now": {"2222/tcp"}, "permanent": set()}


def test_firewalld_service_of_the_site(tmp_path: Path) -> None:
    """Debian's and Fedora's zones let sshd in by its service, which is no port to firewalld."""
    site = Site(tmp_path, "firewall-cmd")
    site.services = {"ssh"}
    assert site.doors.open([22]) == [] and site.recorded() == []
    assert len(site.doors.open([2222])) == 2
    site.services = set()
    assert len(site.doors.open([22])) == 2
    site.services = {"ssh"}  # what we opened is closed all the same
    assert len(site.doors.close([2222])) == 2 and site.firewalld["now"] == {"2222/tcp"}


def test_firewalld_stopped_meanwhile(tmp_path: Path) -> None:
    site = Site(tmp_path, "firewall-cmd")
    site.doors.open([2222])
    site.firewalld_running = False
    assert site.doors.check([2223]) == site.doors.close([]) == []
    assert site.recorded() == ["firewalld-permanent 2222 public"]
    site.firewalld_running, site.firewalld["now"] = True, {"2222/tcp"}
    assert site.doors.close([]) == ["firewalld: remove 2222/tcp in zone public (permanent)"]


@pytest.mark.parametrize("mode", ["Enforcing", "Permissive"])
def test_selinux(tmp_path: Path, mode: str) -> None:
    site = Site(tmp_path, "getenforce", "semanage")
    site.mode = mode
    assert site.doors.check([22, 2222]) == ["SELinux: label 2222/tcp ssh_port_t"]
    assert site.doors.open([22, 2222]) == ["SELinux: label 2222/tcp ssh_port_t"]
    assert site.doors.open([22, 2222]) == []
    assert site.recorded() == ["selinux 2222"] and site.local == {"2222": "ssh_port_t"}
    assert site.doors.close([22]) == ["SELinux: take ssh_port_t from 2222/tcp"]
    assert site.local == {} and site.recorded() == []
    assert site.changes() == ["semanage port -a -t ssh_port_t -p tcp 2222", "semanage port -d -p tcp 2222"]


def test_selinux_port_of_another_type(tmp_path: Path) -> None:
    """Of the policy: its label comes back by itself. Within a range: semanage would not modify what has no entry."""
    site = Site(tmp_path, "getenforce", "semanage")
    assert site.doors.open([8080, 10005]) == [
        "SELinux: label 8080/tcp ssh_port_t instead of http_cache_port_t",
        "SELinux: label 10005/tcp ssh_port_t",
    ]
    assert [line.split()[2] for line in site.changes()] == ["-m", "-a"]
    site.doors.close([22])
    assert site.local == {}


def test_selinux_label_that_the_site_had_given(tmp_path: Path) -> None:
    site = Site(tmp_path, "getenforce", "semanage")
    site.local["2222"] = "http_port_t"
    site.doors.open([2222])
    assert site.recorded() == ["selinux 2222 http_port_t"] and site.local == {"2222": "ssh_port_t"}
    assert site.doors.close([]) == ["SELinux: label 2222/tcp http_port_t"]
    assert site.local == {"2222": "http_port_t"}


def test_selinux_label_of_the_site_stays(tmp_path: Path) -> None:
    site = Site(tmp_path, "getenforce", "semanage")
    site.local["2222"] = "ssh_port_t"
    assert site.doors.open([2222]) == site.doors.close([]) == []
    assert site.local == {"2222": "ssh_port_t"}


def test_selinux_changed_meanwhile(tmp_path: Path) -> None:
    site = Site(tmp_path, "getenforce", "semanage")
    site.doors.open([2222])
    site.local["2222"] = "http_port_t"
    assert site.doors.close([]) == [] and site.local == {"2222": "http_port_t"} and site.recorded() == []


def test_selinux_without_semanage(tmp_path: Path) -> None:
    site = Site(tmp_path, "getenforce")
    for method in (site.doors.check, site.doors.open):
        with pytest.raises(StockadeError, match="port 2222 .* install policycoreutils-python-utils"):
            method([22, 2222])
    assert site.doors.open([22]) == []
    for site.mode in ("Permissive", "Disabled", "nonsense"):
        assert site.doors.open([2222]) == []


def test_selinux_without_semanage_any_more(tmp_path: Path) -> None:
    site = Site(tmp_path, "getenforce", "semanage")
    site.doors.open([2222])
    site.programs.remove("semanage")
    assert site.doors.close([]) == [] and site.recorded() == ["selinux 2222"]


def chain(**values: str) -> dict[str, object]:
    return {
        "chain": {"family": "inet", "table": "filter", "name": "input", "hook": "input", "policy": "drop", **values}
    }


@pytest.mark.parametrize(
    ("items", "warned"),
    [
        ([{"metainfo": {}}, chain()], True),
        ([chain(table="stockade"), chain(table="stockade_watch")], False),
        ([chain(policy="accept"), chain(hook="forward"), {"chain": 3}, 4], False),
        ([], False),
    ],
)
def test_a_ruleset_by_hand(tmp_path: Path, items: list[object], warned: bool) -> None:
    site = Site(tmp_path, "nft", "ufw", "firewall-cmd")
    site.ufw_active = site.firewalld_running = False
    site.ruleset = json.dumps({"nftables": items})
    texts = [WARNING] if warned else []
    assert site.doors.check([2222]) == site.doors.open([2222]) == site.doors.warnings([2222]) == texts
    assert site.changes() == [] and site.recorded() == []


def test_no_warning_where_a_firewall_is_in_use(tmp_path: Path) -> None:
    site = Site(tmp_path, "nft", "ufw")
    site.ruleset = json.dumps({"nftables": [chain()]})
    assert site.doors.check([2222]) == ["ufw: allow 2222/tcp"]


def test_nft_that_fails_is_no_reason(tmp_path: Path) -> None:
    site = Site(tmp_path, "nft")
    site.fail["nft"] = (1, "Operation not permitted")
    assert site.doors.check([2222]) == []


@pytest.mark.parametrize("garbage", ["\x00\ufffd", "[" * 100000, "ufw allow '", '{"nftables": 3}', "[]", "tcp tcp tcp"])
def test_garbage(tmp_path: Path, garbage: str) -> None:
    site = Site(tmp_path, "ufw", "getenforce", "semanage", "nft")
    site.garbage = garbage
    assert site.doors.check([2222]) == site.doors.open([2222]) == []
    site.programs.add("firewall-cmd")
    with pytest.raises(StockadeError, match="firewall-cmd --get-default-zone names no zone"):
        site.doors.check([2222])


@pytest.mark.parametrize(
    "command",
    [
        "ufw status",
        "ufw show added",
        "firewall-cmd --state",
        "firewall-cmd --get-default-zone",
        "firewall-cmd --zone=public --query-port=2222/tcp",
        "getenforce",
        "semanage port -l",
    ],
)
def test_a_question_that_fails(tmp_path: Path, command: str) -> None:
    site = Site(tmp_path, "ufw", "firewall-cmd", "getenforce", "semanage")
    site.fail[command] = (7, "no\n such thing ")
    for method in (site.doors.check, site.doors.open):
        with pytest.raises(StockadeError, match="^{} failed: no such thing$".format(command)):
            method([2222])
    assert site.changes() == [] and site.recorded() == []


@pytest.mark.parametrize(
    "command",
    [
        "ufw allow 2222/tcp comment stockade-ssh",
        "firewall-cmd --zone=public --add-port=2222/tcp",
        "firewall-cmd --permanent --zone=public --add-port=2222/tcp",
        "semanage port -a -t ssh_port_t -p tcp 2222",
    ],
)
def test_an_opening_that_fails(tmp_path: Path, command: str) -> None:
    """All of it is closed again, and nothing else."""
    site = Site(tmp_path, "ufw", "firewall-cmd", "getenforce", "semanage")
    site.doors.open([2200])
    site.fail[command] = (7, "")
    with pytest.raises(StockadeError, match="^{} failed: exit code 7$".format(command)):
        site.doors.open([2222])
    assert site.ufw == ["ufw allow 22/tcp", "ufw allow 2200/tcp comment 'stockade-ssh'"]
    assert site.firewalld == {"now": {"2200/tcp"}, "permanent": {"2200/tcp"}}
    assert site.local == {"2200": "ssh_port_t"}
    assert all("2200" in row for row in site.recorded()) and len(site.recorded()) == 4


def test_a_closing_that_fails(tmp_path: Path) -> None:
    """The others are closed, and this one the next time."""
    site = Site(tmp_path, "ufw", "firewall-cmd", "getenforce", "semanage")
    site.doors.open([2222])
    site.fail["ufw delete"] = (1, "locked")
    with pytest.raises(StockadeError, match="cannot close .*: ufw delete allow 2222/tcp failed: locked$"):
        site.doors.close([22])
    assert site.recorded() == ["ufw 2222"] and site.local == {} and site.firewalld["permanent"] == set()
    site.fail.clear()
    assert site.doors.close([22]) == ["ufw: delete allow 2222/tcp"]


class Killed(BaseException):
    """What no handler of ours sees."""


@pytest.mark.parametrize("after", range(1, 30))
def test_killed(tmp_path: Path, after: int) -> None:
    """Whenever it dies: what was opened is known, and the next close takes it back."""
    site = Site(tmp_path, "ufw", "firewall-cmd", "getenforce", "semanage")
    count = 0

    def run(words: list[str]) -> tuple[int, str, str]:
        nonlocal count
        count += 1
        if count == after:
            raise Killed
        return site.run(words)

    try:
        Doors(run, record=str(site.record), find=site.find).open([2222])
        Doors(run, record=str(site.record), find=site.find).close([22])
    except Killed:
        pass
    site.doors.close([22])
    assert site.ufw == ["ufw allow 22/tcp"] and site.local == {} and site.recorded() == []
    assert site.firewalld == {"now": set(), "permanent": set()}


def test_a_record_of_somebody_else(tmp_path: Path) -> None:
    site = Site(tmp_path, "ufw", "firewall-cmd")
    site.record.parent.mkdir()
    site.record.write_bytes(b"\xff\nufw\nufw x\nfirewalld 1\nufw 2222; rm -rf /\nfirewalld 1 --panic-on\n\n")
    assert site.doors.close([]) == [] and site.asked == []


def test_a_record_that_cannot_be_written(tmp_path: Path) -> None:
    """Then nothing is opened."""
    site = Site(tmp_path, "ufw")
    site.record.parent.write_text("")
    with pytest.raises(StockadeError, match="cannot (read|write) .*opened: "):
        site.doors.open([2222])
    assert site.changes() == []


@pytest.mark.parametrize(("sshd", "left"), [("/usr/sbin/sshd", {"2222/tcp"}), (None, set())])
def test_what_leads_to_no_sshd_is_closed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, sshd: str | None, left: set[str]
) -> None:
    """Also where sshd was taken off the host: then nothing answers."""
    site = Site(tmp_path, "firewall-cmd")
    assert site.doors.close_unused("/usr/sbin/sshd") == [] and site.asked == []
    site.doors.open([2222, 3333])
    monkeypatch.setattr(host, "find_listener", lambda _run: NOBODY)
    monkeypatch.setattr(host, "prepare_privsep_directory", lambda: None)
    monkeypatch.setattr(host.Sshd, "effective", lambda _sshd, _path: {"port": ["22", "2222"]})
    site.doors.close_unused(sshd)
    assert site.firewalld == {"now": left, "permanent": left}


def test_programs_gone(tmp_path: Path) -> None:
    """Their rules are gone with them."""
    site = Site(tmp_path, "ufw", "firewall-cmd")
    site.doors.open([2222])
    site.programs.clear()
    assert site.doors.close([]) == [] and site.recorded() == []


def test_a40_which_firewall_is_in_use(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A40: the one in front of the others is named; tables of ours, and chains nobody goes through, are none."""
    legacy = tmp_path / "ip_tables_names"
    monkeypatch.setattr(doors, "_LEGACY", str(legacy))
    assert Site(tmp_path).doors.firewalls() == []
    site = Site(tmp_path, "ufw", "nft")
    site.ruleset = json.dumps({"nftables": [chain()]})
    assert site.doors.firewalls() == ["ufw"]
    site.ufw_active = False
    assert site.doors.firewalls() == ["nftables"]
    site.ruleset = json.dumps({"nftables": [chain(table="stockade"), chain(hook="")]})
    assert site.doors.firewalls() == []
    legacy.write_text("filter\n")
    assert site.doors.firewalls() == ["iptables"]
    assert Site(tmp_path, "firewall-cmd").doors.firewalls() == ["firewalld"]
