# Copyright (c) 2026, stockade.fleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The watcher's configuration and service, against recorded answers of systemctl and the agent."""

from __future__ import annotations

import json
import os
import sys
import time

import pytest

from ansible_collections.stockade.fleet.plugins.module_utils import _watcher, _watcher_logs
from ansible_collections.stockade.fleet.plugins.module_utils._errors import StockadeError
from ansible_collections.stockade.fleet.plugins.module_utils._toml import quoted
from ansible_collections.stockade.fleet.plugins.module_utils._watcher import Paths, Watcher
from ansible_collections.stockade.fleet.plugins.module_utils._watcher_logs import detect, running_jails, undeclared
from ansible_collections.stockade.fleet.plugins.module_utils._watcher_options import HEADER, render

OPTIONS = {
    "inputs": [{"name": "web", "path": "/var/log/nginx/access.log", "format": "access"}],
    "detect": False,
    "preset": None,
    "lookback": None,
    "rules": [],
}


class Host:
    """A host with systemd and the agent; ``run`` records what it is asked."""

    def __init__(self, root):
        self.paths = Paths(
            config=str(root / "etc" / "watcher.toml"),
            state=str(root / "state"),
            program=str(root / "stockade"),
            status=str(root / "status.json"),
            fail2ban=str(root / "fail2ban.sock"),
            root=str(root),
        )
        (root / "etc").mkdir()
        (root / "stockade").write_text("")
        (root / "scratch").mkdir()
        self.scratch = str(root / "scratch")
        self.unit = {"LoadState": "loaded", "ActiveState": "inactive", "UnitFileState": "disabled"}
        self.calls = []
        self.checked = []
        self.check_answer = (0, "configuration is valid\n", "")
        self.broken = ()
        self.said = []
        self.pid = "77"
        self.fail2ban = ("inactive", "0")

    def run(self, command):
        self.calls.append(command)
        if command[0] == self.paths.program:
            with open(command[-1], encoding="ascii") as file:
                self.checked.append(file.read())
            rc, out, err = self.check_answer
            return rc, out.replace("TMP", command[-1]), err
        if command[0] == "journalctl":
            return 0, "cannot do it\n", ""
        if command[0] == "/usr/bin/python3":
            return 0, "", ""
        verb = command[1]
        if command[-1] == "fail2ban.service":
            return 0, "ActiveState=%s\nActiveEnterTimestampMonotonic=%s\n" % self.fail2ban, ""
        if verb == "show" and "MainPID" in command:
            return 0, self.pid + "\n", ""
        if verb == "show":
            return 0, "".join("%s=%s\n" % item for item in self.unit.items()), ""
        if verb in self.broken:
            self.unit["ActiveState"] = "failed"
            self.broken = ()
            return 1, "", "Job for stockade-watcher.service failed.\n"
        if verb == "enable":
            self.unit["UnitFileState"] = "enabled"
        elif verb == "disable":
            self.unit.update(UnitFileState="disabled", **({"ActiveState": "inactive"} if "--now" in command else {}))
        elif verb in ("start", "restart"):
            self.unit["ActiveState"] = "active"
            with open(self.paths.status, "w", encoding="ascii") as file:
                json.dump({"pid": 77, "inputs": self.said}, file)
        elif verb == "stop":
            self.unit["ActiveState"] = "inactive"
        return 0, "", ""

    @property
    def verbs(self):
        return [call[1] for call in self.calls if call[0] == "systemctl" and call[1] not in ("show", "is-active")]

    @property
    def config(self):
        try:
            with open(self.paths.config, encoding="utf-8") as file:
                return file.read()
        except FileNotFoundError:
            return None

    def watcher(self):
        return Watcher(run=self.run, scratch=self.scratch, paths=self.paths)

    def present(self, check=False, **options):
        return self.watcher().present(dict(OPTIONS, **options), check=check)


@pytest.fixture
def host(tmp_path):
    return Host(tmp_path)


def test_first_run_and_second_run(host):
    result, warnings = host.present()
    assert (result["changed"], result["service"], result["before"], warnings) == (True, "active", "", [])
    assert result["inputs"] == [{"name": "web", "path": "/var/log/nginx/access.log", "problem": ""}]
    assert host.config == result["after"]
    assert host.config.startswith(HEADER)
    assert os.stat(host.paths.config).st_mode & 0o7777 == 0o644
    assert host.verbs == ["enable", "restart"]
    assert host.checked == [host.config]
    assert os.listdir(host.scratch) == []
    host.calls = []
    result, _warnings = host.present()
    assert result["changed"] is False
    assert host.verbs == []
    assert all(call[:2] == ["systemctl", "show"] for call in host.calls)


def test_check_mode_tells_the_truth_and_changes_nothing(host):
    predicted, _warnings = host.present(check=True)
    assert host.config is None
    assert host.verbs == []
    real, _warnings = host.present()
    assert predicted == real
    assert host.present(check=True)[0]["changed"] is False


@pytest.mark.parametrize(("state", "verbs"), [({"ActiveState": "failed"}, 2), ({"UnitFileState": "disabled"}, 2)])
def test_a_service_that_is_down_or_disabled_is_a_change(host, state, verbs):
    host.present()
    host.unit.update(state)
    assert host.present(check=True)[0]["changed"] is True
    host.calls = []
    assert host.present()[0]["changed"] is True
    assert host.verbs == ["enable", "start"]


def test_a_file_of_other_mode_is_a_change(host):
    host.present()
    os.chmod(host.paths.config, 0o666)
    assert host.present()[0]["changed"] is True
    assert os.stat(host.paths.config).st_mode & 0o7777 == 0o644


def test_a_refused_configuration_is_not_written(host):
    host.present()
    before = host.config
    host.check_answer = (2, "TMP: rule 1 (x): maxretry must be 1 to 10000, not 0\n", "")
    for check in (True, False):
        with pytest.raises(StockadeError, match="maxretry must be 1 to") as caught:
            host.present(check=check, rules=[{"name": "x", "type": "rate", "maxretry": 0}])
        assert host.paths.config in str(caught.value)
        assert host.scratch not in str(caught.value)
    assert host.config == before
    assert os.listdir(host.scratch) == []


def test_a_watcher_that_does_not_come_up_gets_its_old_configuration_back(host):
    host.present()
    before = host.config
    host.broken = ("restart",)
    with pytest.raises(StockadeError) as caught:
        host.present(preset="original")
    assert "failed" in str(caught.value)
    assert "cannot do it" in str(caught.value)
    assert "the old configuration is in force again" in str(caught.value)
    assert host.config == before
    assert host.unit["ActiveState"] == "active"


def test_a_first_start_that_fails_leaves_nothing(host):
    host.broken = ("restart",)
    with pytest.raises(StockadeError, match="nothing was left behind"):
        host.present()
    assert host.config is None
    assert host.unit["UnitFileState"] == "disabled"
    assert host.unit["ActiveState"] == "inactive"


@pytest.mark.parametrize("missing", ["program", "unit"])
def test_a_host_without_agent(host, missing):
    if missing == "program":
        os.unlink(host.paths.program)
    else:
        host.unit = {"LoadState": "not-found", "ActiveState": "inactive", "UnitFileState": ""}
    result, warnings = host.present(check=True)
    assert result["changed"] is True
    assert "predicted as if the agent were installed" in warnings[0]
    with pytest.raises(StockadeError, match=r"apply the role stockade\.fleet\.agent first"):
        host.present()
    assert host.config is None
    assert host.watcher().absent(check=False)["changed"] is False


def test_a_host_without_systemd(host):
    host.run = lambda command: (2, "", "No such file or directory")
    with pytest.raises(StockadeError, match="does not run systemd"):
        host.present()


def logs(root, *paths):
    for path in paths:
        file = root / path.lstrip("/")
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text("")


def found(host, jails=(), declared=()):
    inputs, warnings = detect(host.run, jails, list(declared), host.paths.root)
    return [entry["name"] for entry in inputs], warnings


def test_detection(host, tmp_path):
    assert found(host) == ([], [])
    logs(tmp_path, "/var/log/nginx/access.log", "/var/log/nginx/error.log", "/var/log/proftpd/proftpd.log")
    assert found(host) == (["nginx", "nginx-error", "proftpd"], [])
    result, _warnings = host.present(inputs=[], detect=True)
    assert result["inputs"][0] == {"name": "nginx", "path": "/var/log/nginx/access.log", "problem": ""}
    assert 'path = "/var/log/nginx/access.log"' in host.config


def test_what_a_jail_of_fail2ban_reads_is_left_to_it(host, tmp_path):
    logs(tmp_path, "/var/log/nginx/access.log", "/var/log/nginx/error.log", "/var/log/proftpd/proftpd.log")
    logs(tmp_path, "/usr/sbin/sshd", "/var/log/auth.log")
    assert found(host, jails=["proftpd", "access-rate"]) == (["nginx-error", "sshd"], [])
    assert found(host, jails=["sshd", "nginx-http-auth"]) == (["nginx", "proftpd"], [])


def test_sshd_is_read_from_the_journal_where_it_can_be(host, tmp_path):
    logs(tmp_path, "/usr/sbin/sshd", "/run/systemd/journal/socket")
    entries, _warnings = detect(host.run, [], [], host.paths.root)
    assert entries == [{"name": "sshd", "journal": ["sshd"], "format": "sshd"}]

    def without(_command):
        return 1, "", ""

    entries, (warning,) = detect(without, [], [], host.paths.root)
    assert entries == [] and "python3-systemd" in warning
    logs(tmp_path, "/var/log/auth.log")
    entries, _warnings = detect(without, [], [], host.paths.root)
    assert entries == [{"name": "sshd", "path": "/var/log/auth.log", "format": "sshd"}]


def test_what_the_watcher_says_of_an_input_is_a_warning(host):
    host.said = [{"name": "web", "problem": "/var/log/nginx/access.log: Permission denied"}]
    for changed in (True, False):  # it is still true in a run that changes nothing
        result, warnings = host.present()
        assert result["changed"] is changed
        assert warnings == ["input web: /var/log/nginx/access.log: Permission denied"]
        assert result["inputs"][0]["problem"] == "/var/log/nginx/access.log: Permission denied"


def test_a_watcher_that_stays_silent_gets_its_old_configuration_back(host, monkeypatch):
    monkeypatch.setattr(_watcher, "HEALTH", 0.2)
    host.present()
    before = host.config
    host.pid = "78"
    with pytest.raises(StockadeError, match="says nothing.*the old configuration is in force again"):
        host.present(lookback="2h")
    assert host.config == before


@pytest.mark.skipif(os.geteuid() != 0, reason="gives a file to a group")
def test_a_log_that_is_closed_is_opened_and_closed_again(host, tmp_path, monkeypatch):
    """Not in check mode; the second run is no change; what was opened otherwise is left alone."""
    monkeypatch.setattr(_watcher, "ADM", 4)
    logs(tmp_path, "/var/log/proftpd/proftpd.log", "/var/log/nginx/access.log")
    log = tmp_path / "var/log/proftpd/proftpd.log"
    log.chmod(0o640)
    os.chown(log, 0, 0)
    assert host.present(check=True, inputs=[], detect=True)[0]["changed"] and log.stat().st_gid == 0
    assert host.present(inputs=[], detect=True)[0]["changed"] and log.stat().st_gid == 4
    assert host.present(inputs=[], detect=True)[0]["changed"] is False
    host.watcher().absent(check=False)
    assert log.stat().st_gid == 0


def test_a_server_behind_another_one_is_not_detected(host, tmp_path):
    """nginx in front of Apache: both log each request, and it would count twice. Error logs tell different logins."""
    logs(tmp_path, "/var/log/nginx/access.log", "/var/log/apache2/access.log", "/var/log/apache2/error.log")
    logs(tmp_path, "/var/log/nginx/error.log")
    result, (warning,) = host.present(inputs=[], detect=True)
    assert [entry["name"] for entry in result["inputs"]] == ["nginx", "nginx-error", "apache-error"]
    assert "/var/log/apache2/access.log is not watched" in warning
    apache = {"name": "apache", "path": "/var/log/apache2/access.log", "format": "access", "vhost": True}
    result, warnings = host.present(inputs=[apache], detect=True)
    assert [entry["name"] for entry in result["inputs"]] == ["apache", "nginx", "nginx-error", "apache-error"]
    assert warnings == []
    assert "vhost = true" in host.config


def test_all_access_logs_of_the_server_in_front_are_watched(host, tmp_path):
    """Apache logs a request to a virtual host without a log of its own in other_vhosts_access.log, and only there."""
    logs(tmp_path, "/var/log/apache2/access.log", "/var/log/apache2/other_vhosts_access.log")
    entries, warnings = detect(host.run, [], [], host.paths.root)
    assert [(entry["name"], entry.get("vhost", False)) for entry in entries] == [
        ("apache", False),
        ("apache-vhosts", True),
    ]
    assert warnings == []
    logs(tmp_path, "/var/log/nginx/access.log")
    names, warnings = found(host)
    assert names == ["nginx"]
    assert len(warnings) == 2


def test_httpd_as_on_enterprise_linux(host, tmp_path):
    logs(tmp_path, *("/var/log/httpd/" + name for name in ("access_log", "ssl_access_log", "error_log")))
    assert found(host) == (["httpd", "httpd-ssl", "httpd-error"], [])


def test_the_log_that_a_removed_server_left_is_not_the_one_in_front(host, tmp_path):
    logs(tmp_path, "/var/log/nginx/access.log", "/var/log/apache2/access.log", "/usr/sbin/apache2")
    assert found(host) == (["apache"], [])
    logs(tmp_path, "/usr/sbin/nginx")
    assert found(host)[0] == ["nginx"]


def test_what_is_declared_is_not_detected_again(tmp_path):
    """By name, by path, by a pattern that matches it, by the journal's units."""
    entries = [{"name": "nginx", "path": "/a/x.log"}, {"name": "sshd", "journal": ["sshd"], "format": "sshd"}]
    nginx, sshd = entries
    logs(tmp_path, "/a/x.log", "/a/b/x.log")

    def left(**declared):
        return undeclared([declared], entries, str(tmp_path))

    assert left(name="x", path="/a/x.log") == [sshd]
    assert left(name="nginx", path="/c") == [sshd]
    assert left(name="x", path="/a/*.log") == [sshd]
    assert left(name="x", path="/a/*/*.log") == [nginx, sshd]
    assert left(name="x", journal=["sshd"], format="sshd") == [nginx]
    assert left(name="x", journal=["sshd", "other"], format="sshd") == [nginx, sshd]


def test_a_fail2ban_that_is_starting_is_waited_for(host, monkeypatch):
    """Its jails come after its socket, and the role fail2ban has restarted it a moment ago. One without is not."""
    answers = []

    class Client:
        def __init__(self, path):
            assert path == host.paths.fail2ban

        def jails(self):
            answer = answers.pop(0)
            if isinstance(answer, Exception):
                raise answer
            return answer

    def ago(seconds):
        return "%d" % ((time.monotonic() - seconds) * 1e6)

    monkeypatch.setattr(_watcher_logs, "Fail2banClient", Client)
    for state in (("active", ago(1)), ("activating", "0")):
        answers[:] = [StockadeError("no socket"), [], ["sshd"]]
        host.fail2ban = state
        assert running_jails(host.run, host.paths.fail2ban) == ["sshd"]
    for state in (("inactive", ago(1)), ("active", ago(60)), ("active", ""), ("failed", "0")):
        answers[:] = [[]]
        host.fail2ban = state
        assert running_jails(host.run, host.paths.fail2ban) == []


def test_without_a_log_no_service_runs(host):
    result, warnings = host.present(inputs=[], detect=True)
    assert (result["changed"], result["service"], result["inputs"], warnings) == (False, "stopped", [], [])
    assert "nothing to watch" in result["msg"]
    host.present()
    assert host.present(inputs=[], detect=True)[0]["changed"] is True
    assert host.config is None
    assert host.unit["ActiveState"] == "inactive"


def test_absent(host):
    host.present()
    os.mkdir(host.paths.state)
    predicted = host.watcher().absent(check=True)
    assert host.config is not None
    result = host.watcher().absent(check=False)
    assert result == predicted
    assert result["changed"] is True
    assert host.config is None
    assert not os.path.exists(host.paths.state)
    assert host.unit["UnitFileState"] == "disabled"
    assert host.watcher().absent(check=False)["changed"] is False


HOSTILE = ['a"b', "a\\b", "a\nb", "a\tb", "\x00\x7f", "#", "'''", '"""', "\u00e9", "\U0001f600", "\u202e", ""]


@pytest.mark.skipif(sys.version_info < (3, 11), reason="tomllib is there from Python 3.11 on")
def test_what_is_rendered_reads_back():
    import tomllib

    for text in HOSTILE:
        assert tomllib.loads("x = " + quoted(text)) == {"x": text}
    rule = {
        "name": 'q"', "type": "rate", "inputs": ["a", "b\n"], "maxretry": 5, "findtime": "60s", "duration": "permanent",
        "reason": "x]\n[[rule]]\nname = 'evil'", "key": "address", "exclude_static": False, "observe": True,
    }  # fmt: skip
    inputs = [{"name": text, "path": "/" + text, "format": "access"} for text in HOSTILE]
    text = render({"preset": "none", "lookback": "1h", "rules": [rule, {"name": "y", "maxretry": None}]}, inputs)
    assert tomllib.loads(text) == {
        "preset": "none",
        "lookback": "1h",
        "input": inputs,
        "rule": [rule, {"name": "y"}],
    }


def test_text_that_no_file_can_hold():
    with pytest.raises(StockadeError, match="not valid text"):
        quoted("\udcff")
