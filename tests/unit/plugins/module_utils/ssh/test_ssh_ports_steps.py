# Copyright (c) 2026, stockade.fleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whatever is asked in whatever order, and cut off anywhere: after each step a port answers that answered before it."""

from __future__ import annotations

import tempfile
from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from hypothesis.configuration import set_hypothesis_home_dir
from portlab import SOCKET, PortLab

set_hypothesis_home_dir(Path(__file__).resolve().parents[5] / "build" / "hypothesis")
ABSENT = 0
PORTS = st.sampled_from([22, 2200, 2222, 3333])
LINES = st.lists(
    st.builds("{}{}{}".format, st.sampled_from(["Port", "port", "\tPORT"]), st.sampled_from(" =\t"), PORTS)
)
# What is asked, and whether the controller lives on after the first step.
WISHES = st.lists(st.tuples(st.sampled_from([22, 2222, 3333, None, ABSENT]), st.booleans()), min_size=1, max_size=5)


def kept(lab: PortLab, wanted: int | None) -> bool:
    """One step that keeps a door open and says truly where; whether another has to follow."""
    before, others = lab.answering(), lab.others()
    planned, changed = lab.step(None if wanted == ABSENT else wanted, absent=wanted == ABSENT)
    after = lab.answering()
    assert before & after, "nothing that answered before answers now"
    assert set(planned.ports) == after
    assert planned.login is None or planned.login in after
    assert changed or (before, others) == (after, lab.others())
    assert not planned.more or changed, "a step that changes nothing never gets to the next one"
    return planned.more


def campaign(lab: PortLab, wishes: list[tuple[int | None, bool]]) -> None:
    answered, others = lab.answering(), lab.others()
    for wanted, lives in wishes:
        at_first = lab.answering()
        if kept(lab, wanted) and lives:
            foreseen = lab.foreseen
            assert not kept(lab, wanted), "a third step"
            assert foreseen == lab.written, "check mode foretells something else"
        elif not lives:
            continue
        if wanted == ABSENT:
            assert (lab.answering(), lab.others()) == (answered, others)
        else:
            assert lab.answering() == (at_first if wanted is None else {wanted})
        settled = (lab.answering(), lab.others())
        assert not kept(lab, wanted) and settled == (lab.answering(), lab.others())


@settings(database=None, deadline=None, derandomize=True, max_examples=150)
@given(main=LINES, dropin=LINES, wishes=WISHES)
@example(main=["Port 22"], dropin=["Port 2200"], wishes=[(2222, True), (ABSENT, True)])
@example(main=[], dropin=["Port 2200"], wishes=[(2222, False), (3333, False), (ABSENT, False), (22, True)])
def test_a_service(main: list[str], dropin: list[str], wishes: list[tuple[int | None, bool]]) -> None:
    texts = ["".join(line + "\n" for line in lines).encode() for lines in (main, dropin)]
    with tempfile.TemporaryDirectory() as place, pytest.MonkeyPatch.context() as patch:
        campaign(PortLab(Path(place), patch, main=texts[0], dropins={"50-x.conf": texts[1]}), wishes)


@settings(database=None, deadline=None, derandomize=True, max_examples=100)
@given(wishes=WISHES, generated=st.booleans())
@example(wishes=[(2222, True), (3333, False), (ABSENT, True)], generated=False)
def test_a_socket(wishes: list[tuple[int | None, bool]], generated: bool) -> None:
    with tempfile.TemporaryDirectory() as place, pytest.MonkeyPatch.context() as patch:
        lab = PortLab(Path(place), patch, socket=SOCKET)
        if generated:
            lab.generator.touch()
        campaign(lab, wishes)
