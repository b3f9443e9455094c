# Copyright (c) 2026, stockade.fleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""An armed change is committed or undone, never both and never half."""

from __future__ import annotations

import threading
import time
from pathlib import Path

import pytest
from armedlab import SOCKET, Lab

from ansible_collections.stockade.fleet.plugins.module_utils._errors import StockadeError
from ansible_collections.stockade.fleet.plugins.module_utils._ssh import armed, host, rollback


@pytest.fixture
def lab(tmp_path: Path) -> Lab:
    return Lab(tmp_path)


def test_time_is_up(lab: Lab) -> None:
    lab.arm(lab.write("a.conf", "old\n", "new\n"))
    assert lab.armed.outcome("r1") == lab.armed.outcome() == "armed"
    assert lab.files()["a.conf"] == "new\n"
    lab.fire()
    assert lab.files() == {"a.conf": "old\n"}
    assert (lab.etc / "a.conf").stat().st_mode & 0o777 == 0o640
    assert lab.told() == ["reset-failed ssh.service", "reload-or-restart ssh.service"]
    assert lab.armed.outcome("r1") == "rolled back"
    assert "run r1\nrolled back " in lab.armed.result()
    assert "put back: {}".format(lab.etc / "a.conf") in lab.armed.result()
    assert lab.armed.rollback("r1") == lab.armed.result()
    with pytest.raises(StockadeError, match=r"run r1 was rolled back: (?s:.*)put back: "):
        lab.armed.commit("r1")


def test_commit_wins(lab: Lab) -> None:
    lab.arm(lab.write("a.conf", "old\n", "new\n"))
    lab.armed.commit("r1")
    lab.script().communicate()
    lab.boot()
    assert lab.files() == {"a.conf": "new\n"}
    assert lab.told() == []
    assert sorted(path.name for path in lab.state.iterdir()) == ["committed", rollback.SCRIPT]
    assert lab.armed.outcome("r1") == lab.armed.outcome() == "committed"
    for again in (lab.armed.commit, lab.armed.rollback):
        with pytest.raises(StockadeError, match="run r1 was committed already"):
            again("r1")


def test_rollback_now(lab: Lab) -> None:
    lab.arm(lab.write("a.conf", "old\n", "new\n"))
    assert "put back: " in lab.armed.rollback()
    assert lab.files() == {"a.conf": "old\n"}
    with pytest.raises(StockadeError, match="nothing is armed on this host"):
        lab.armed.rollback()
    with pytest.raises(StockadeError, match="run r9 is not known"):
        lab.armed.rollback("r9")


@pytest.mark.parametrize("attempt", range(12))
def test_both_at_once(lab: Lab, attempt: int) -> None:
    lab.arm(lab.write("a.conf", "old\n", "new\n"))
    won: list[str] = []

    def commit() -> None:
        try:
            lab.armed.commit("r1")
            won.append("commit")
        except StockadeError as error:
            won.append(str(error))

    threads = [threading.Timer(0.0008 * attempt, commit) for _number in range(3)]
    process = lab.script()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    process.communicate()
    assert won.count("commit") <= 1
    committed = "commit" in won
    assert lab.files() == {"a.conf": "new\n" if committed else "old\n"}
    assert lab.armed.outcome("r1") == ("committed" if committed else "rolled back"), won


def test_a_second_controller_is_told_who_holds_it(lab: Lab) -> None:
    lab.arm(lab.write("a.conf", "old\n", "new\n"))
    holder = lab.armed.holder()
    assert holder is not None
    assert (holder.run, holder.controller, holder.seconds) == ("r1", "ci.example", 120)
    assert holder.until == holder.since + 120
    saved = lab.files()
    with pytest.raises(StockadeError, match=r"run r1 of ci.example has armed this host since \d{4}-.* over by \d{4}-"):
        lab.arm(lab.write("b.conf", "x\n", "y\n"), run_id="r2")
    with pytest.raises(StockadeError, match="it is not run r2 that is armed: run r1 of ci.example"):
        lab.armed.commit("r2")
    with pytest.raises(StockadeError, match="run r1 of ci.example"):
        lab.armed.rollback("r2")
    assert lab.files() == {**saved, "b.conf": "x\n"}
    lab.fire()
    assert lab.files() == {"a.conf": "old\n", "b.conf": "x\n"}


def test_two_controllers_at_once(lab: Lab) -> None:
    write = lab.write("a.conf", "old\n", "new\n")
    won: list[str] = []

    def arm(run_id: str) -> None:
        try:
            lab.arm(write, run_id=run_id, apply=False)
            won.append(run_id)
        except StockadeError as error:
            assert "has armed this host" in str(error)

    threads = [threading.Thread(target=arm, args=("r%d" % number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(won) == 1
    assert lab.armed.require().run == won[0]
    lab.fire()
    assert lab.files() == {"a.conf": "old\n"}


def test_the_operators_edit_stays(lab: Lab) -> None:
    lab.arm(
        lab.write("edited", "old\n", "new\n"),
        lab.write("added", None, "new\n"),
        lab.write("removed", "old\n", None),
        lab.write("ours", "old\n", "new\n"),
    )
    for name in ("edited", "added", "removed"):
        (lab.etc / name).write_text("mine\n")
    told = lab.armed.rollback()
    assert told.count("left alone: ") == 3
    assert {name: text for name, text in lab.files().items() if name[0] != "."} == {
        "edited": "mine\n",
        "added": "mine\n",
        "removed": "mine\n",
        "ours": "old\n",
    }
    assert "the file from before is {}/.edited.stockade-r1.0 until".format(lab.etc) in told
    assert (lab.etc / ".edited.stockade-r1.0").read_text() == "old\n"
    lab.arm(run_id="r2")
    assert not [name for name in lab.files() if name[0] == "."]


def test_files_that_come_and_go(lab: Lab) -> None:
    lab.arm(lab.write("added", None, "new\n"), lab.write("removed", "old\n", None), lab.write("same", "x", "x"))
    assert "added" in lab.files()
    assert "removed" not in lab.files()
    told = lab.armed.rollback()
    assert lab.files() == {"removed": "old\n", "same": "x"}
    assert "same" not in told


def test_died_before_anything_was_changed(lab: Lab) -> None:
    lab.arm(lab.write("a.conf", "old\n", "new\n"), lab.write("added", None, "new\n"), apply=False)
    assert "as before: {}".format(lab.etc / "a.conf") in lab.armed.rollback()
    assert lab.files() == {"a.conf": "old\n"}


@pytest.mark.parametrize("name", ["a b  c.conf", " a'b\"c$x*`d`.conf ", "back\\slash\tümlaut\r.conf", "-n"])
def test_any_name(lab: Lab, name: str) -> None:
    lab.arm(lab.write(name, "old\n", "new\n"), lab.write(name + "2", None, "new\n"))
    lab.fire()
    assert lab.files() == {name: "old\n"}
    lab.arm(lab.write(name, "old\n", "new\n"), run_id="r2")
    lab.armed.commit("r2")
    assert lab.files() == {name: "new\n"}


def test_no_name(lab: Lab) -> None:
    for path in ("relative", "/etc/new\nline", "/etc/"):
        with pytest.raises(StockadeError, match="is no path of a file"):
            lab.armed.arm([armed.Write(path, None, b"")], SOCKET, run_id="r1", controller="", seconds=1)
    with pytest.raises(StockadeError, match="'../x' is no id of a run"):
        lab.arm(run_id="../x")
    with pytest.raises(StockadeError, match="0 seconds is no time"):
        lab.arm(seconds=0)


def test_full_disk(lab: Lab) -> None:
    lab.arm(lab.write("a.conf", "old\n", "new\n"))
    (lab.state / "result").mkdir()
    assert lab.armed.rollback() == "its report could not be written"
    assert lab.files() == {"a.conf": "old\n"}


def test_at_boot_the_daemon_is_left_alone(lab: Lab) -> None:
    lab.arm(lab.write("a.conf", "old\n", "new\n"))
    lab.script("boot").communicate()
    assert lab.armed.outcome("r1") == "armed"  # the timer runs, so this is no boot
    lab.boot()
    assert lab.files() == {"a.conf": "old\n"}
    assert lab.told() == []
    assert lab.armed.outcome("r1") == "rolled back"


def test_units_are_read_again_at_boot(lab: Lab) -> None:
    (lab.etc / "systemd").mkdir()
    lab.arm(lab.write("systemd/ssh.conf", None, "new\n"))
    lab.boot()
    assert lab.told() == ["daemon-reload"]


def test_socket(lab: Lab) -> None:
    lab.listener = SOCKET
    lab.arm(lab.write("a.conf", "old\n", "new\n"))
    lab.fire()
    assert lab.told() == ["reset-failed ssh.service ssh.socket", "try-restart ssh.service", "start ssh.socket"]


def test_port_of_a_socket(lab: Lab) -> None:
    lab.listener = SOCKET
    (lab.etc / "systemd").mkdir()
    lab.arm(lab.write("systemd/ssh.conf", None, "new\n"))
    lab.fire()
    assert lab.told() == [
        "daemon-reload",
        "reset-failed ssh.service ssh.socket",
        "stop ssh.service",
        "restart ssh.socket",
    ]


def test_nobody_listens(lab: Lab) -> None:
    lab.listener = host.Listener("none", None, None)
    lab.arm(lab.write("a.conf", "old\n", "new\n"))
    lab.fire()
    assert (lab.files(), lab.told()) == ({"a.conf": "old\n"}, [])


@pytest.mark.parametrize("trouble", ["refuses", "fails"])
def test_a_daemon_that_does_not_follow_is_tried_again(lab: Lab, trouble: str) -> None:
    lab.arm(lab.write("a.conf", "old\n", "new\n"))
    (lab.place / trouble).write_text("zz.conf: line 1: Bad option\n")
    with pytest.raises(StockadeError, match=r"run r1 is not rolled back yet: (?s:.*)FAILED"):
        lab.armed.rollback()
    assert lab.files() == {"a.conf": "old\n"}
    assert ("Bad option" in lab.armed.result()) == (trouble == "refuses")
    with pytest.raises(StockadeError, match="it is being rolled back"):
        lab.arm(run_id="r2")
    with pytest.raises(StockadeError, match="run r1 is being rolled back at this moment"):
        lab.armed.commit("r1")
    (lab.place / trouble).unlink()
    assert "FAILED" not in lab.armed.rollback("r1")
    assert lab.armed.outcome() == "rolled back"


def test_the_directory_that_sshd_wants_is_made(lab: Lab) -> None:
    wanted = lab.place / "run" / "sshd"
    wanted.parent.mkdir()
    said = "Missing privilege separation directory: {}\\r\\n".format(wanted)
    lab.tool("sshd", "#!/bin/sh\n[ -d '{}' ] || {{ printf '{}'; exit 255; }}\n".format(wanted, said))
    lab.arm(lab.write("a.conf", "old\n", "new\n"))
    assert "reload-or-restart" in lab.armed.rollback()


def test_a_file_that_cannot_be_put_back_is_tried_again(lab: Lab) -> None:
    lab.arm(lab.write("a.conf", "old\n", "new\n"), lab.write("b.conf", "old\n", "new\n"))
    lab.tool("mv", '#!/bin/sh\ncase "$*" in *.a.conf*) exit 1 ;; esac\nPATH=/usr/bin:/bin exec mv "$@"\n')
    with pytest.raises(StockadeError, match=r"FAILED: .*/a.conf could not be put back"):
        lab.armed.rollback()
    assert lab.files()["b.conf"] == "old\n"
    (lab.place / "bin" / "mv").unlink()
    lab.armed.rollback()
    assert lab.files() == {"a.conf": "old\n", "b.conf": "old\n"}


def test_an_edit_before_arming_is_seen(lab: Lab) -> None:
    write = lab.write("a.conf", "old\n", "new\n")
    for text in ("mine\n", None):
        if text is None:
            (lab.etc / "a.conf").unlink()
        else:
            (lab.etc / "a.conf").write_text(text)
        before = lab.files()
        with pytest.raises(StockadeError, match=r"nothing was changed: .*/a.conf was changed by somebody else"):
            lab.arm(write)
        assert (lab.armed.holder(), lab.files()) == (None, before)
    added = lab.write("added", None, "new\n")
    (lab.etc / "added").write_text("mine\n")
    with pytest.raises(StockadeError, match="added was changed by somebody else"):
        lab.arm(added)


def test_two_phases_of_one_run(lab: Lab) -> None:
    lab.arm(lab.write("a.conf", "1\n", "2\n"))
    lab.armed.commit("r1")
    lab.arm(lab.write("a.conf", "2\n", "3\n"))
    assert lab.armed.outcome("r1") == "armed"
    lab.fire()
    assert lab.armed.outcome("r1") == "rolled back"
    assert lab.files() == {"a.conf": "2\n"}


def test_the_last_of_each_outcome_is_known(lab: Lab) -> None:
    lab.arm(run_id="r1")
    lab.armed.commit("r1")
    lab.arm(run_id="r2")
    lab.fire()
    outcomes = [lab.armed.outcome(run_id) for run_id in ("r1", "r2", "r3", None)]
    assert outcomes == ["committed", "rolled back", "unknown", "rolled back"]


def test_a_run_that_is_long_over_is_ended(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    lab.arm(lab.write("a.conf", "old\n", "new\n"))
    now = time.time()
    monkeypatch.setattr(time, "time", lambda: now + 140)
    with pytest.raises(StockadeError, match="run r1 of ci.example"):
        lab.arm(run_id="r2")
    monkeypatch.setattr(time, "time", lambda: now + 160)
    lab.arm(lab.write("b.conf", "old\n", "new\n"), run_id="r2")
    assert lab.armed.outcome("r1") == "rolled back"
    assert lab.files()["a.conf"] == "old\n"
    assert lab.armed.require("r2").run == "r2"


def test_remove(lab: Lab) -> None:
    lab.armed.remove()
    lab.arm(lab.write("a.conf", "old\n", "new\n"))
    assert (lab.units / rollback.WANTED).is_symlink()
    assert (lab.units / rollback.WANTED).resolve().name == rollback.BOOT
    with pytest.raises(StockadeError, match="run r1 of ci.example"):
        lab.armed.remove()
    lab.armed.commit("r1")
    lab.armed.remove()
    assert not lab.state.exists()
    assert [path.name for path in lab.units.rglob("*")] == ["sysinit.target.wants"]
    lab.armed.remove()
    assert lab.files() == {"a.conf": "new\n"}
    assert lab.armed.outcome() == "unknown"


def test_systemd_says_no(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    write = lab.write("a.conf", "old\n", "new\n")
    monkeypatch.setattr(
        lab.armed, "_run", lambda argv: (1, "", "Unit is\nmasked") if "restart" in argv else (0, "", "")
    )
    with pytest.raises(
        StockadeError, match=r"^cannot arm this host, nothing was changed: systemctl restart .* failed: Unit is masked$"
    ):
        lab.arm(write)
    assert (lab.armed.holder(), lab.files()) == (None, {"a.conf": "old\n"})


def test_the_timer_is_set_and_tries_again(lab: Lab) -> None:
    lab.arm(seconds=90)
    timer = (lab.units / rollback.TIMER).read_text()
    assert [line for line in timer.splitlines() if "OnActiveSec" in line][:2] == ["OnActiveSec=90s", "OnActiveSec=95s"]
    boot, service = ((lab.units / name).read_text() for name in (rollback.BOOT, rollback.SERVICE))
    assert "Before=sysinit.target ssh.service sshd.service ssh.socket sshd.socket\n" in boot
    assert "ssh.service" not in service  # its reload would wait for us, and we for it
