"""What an audit line holds, what never gets into one, and what a full disk does to them."""

from __future__ import annotations

import contextlib
import json
import logging
import os
import stat
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from futukit.errors import UsageError
from futukit.gateway.audit import Audit, order_facts
from futukit.gateway.refusals import denied
from futukit.messages import trd_place_combo_order, trd_unlock_trade
from futukit.messages.common import PacketID
from futukit.messages.qot_common import ComboLeg, QotMarket, Security
from tests.unit.gateway.keyring import place

POSIX = pytest.mark.skipif(os.name != "posix", reason="modes and limits are POSIX")


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "audit.jsonl"


@pytest.fixture
def audit(path: Path) -> Iterator[Audit]:
    with contextlib.closing(Audit(path)) as opened:
        yield opened


def lines_of(path: Path) -> list[Any]:
    """The lines behind the first one, of which every one is whole."""
    opened, *lines = map(json.loads, path.read_text("utf-8").splitlines())
    assert opened["event"] == "audit_opened"
    return lines


@contextlib.contextmanager
def room(path: Path, more: int) -> Iterator[None]:
    """No file may grow beyond what this one has, and so many bytes more."""
    assert sys.platform != "win32"
    import resource

    usual = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (path.stat().st_size + more, usual[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, usual)


def combo(legs: int, **leg: Any) -> trd_place_combo_order.C2S:
    order = place()
    return trd_place_combo_order.C2S(
        packet_id=PacketID(conn_id=0, serial_no=0),
        header=order.header,
        combo_legs=(ComboLeg(**leg),) * legs,
        qty=2.0,
        price=1.5,
        order_type=order.order_type,
    )


def test_a_line_is_an_object_with_time_and_event(path: Path, audit: Audit) -> None:
    audit.write("call", peer="1.2.3.4:5", key="desk", reason=None)
    [line] = lines_of(path)
    assert line.pop("time").endswith("+00:00")
    assert line == {"event": "call", "peer": "1.2.3.4:5", "key": "desk"}
    assert audit.on
    audit.close()
    audit.close()
    audit.write("call")
    audit.reopen()
    assert len(lines_of(path)) == 1
    silent = Audit(None)
    silent.write("call")
    silent.reopen()
    silent.close()
    assert not silent.on


def test_the_facts_of_an_order_and_of_an_unlock() -> None:
    facts = order_facts(place())
    assert (facts["code"], facts["qty"], facts["price"]) == ("00700", 100.0, 300.0)
    assert "legs" not in facts
    unlock = trd_unlock_trade.C2S(unlock=True, pwd_md5="e10adc3949ba59abbe56e057f20f883e")
    assert order_facts(unlock) == {"unlock": True}
    assert order_facts(None) == {}


def test_the_facts_of_a_combo_are_its_legs_as_far_as_there_is_room() -> None:
    leg = {
        "security": Security(market=QotMarket.HK_SECURITY, code="00700"),
        "side": 2,
        "qty_ratio": 0.5,
    }
    facts = order_facts(combo(2, **leg))
    assert (facts["qty"], facts["price"]) == (2.0, 1.5)
    assert facts["legs"] == [{"market": 1, "code": "00700", "side": 2, "qty_ratio": 0.5}] * 2
    assert "more_legs" not in facts
    facts = order_facts(
        combo(1000, security=Security(market=QotMarket.HK_SECURITY, code="7" * 10**6))
    )
    assert len(json.dumps(facts)) < 2000
    assert (len(facts["legs"]), facts["more_legs"]) == (8, 992)


def test_long_texts_of_a_caller_are_cut() -> None:
    assert len(order_facts(place(code="7" * 10**6))["code"]) == 65
    assert len(denied("x" * 10**6).reason) == 301


def test_a_text_that_is_no_text_is_written_all_the_same(path: Path, audit: Audit) -> None:
    leg = {"security": Security(market=QotMarket.HK_SECURITY, code="\udc00")}
    facts = order_facts(place(code="\ud800")) | order_facts(combo(1, **leg))
    audit.write("call", reason="no \ud800", **facts)
    [line] = lines_of(path)
    assert (line["reason"], line["code"], line["legs"][0]["code"]) == ("no ?", "?", "?")


@POSIX
@pytest.mark.parametrize("more", [0, 1, 30])
def test_a_full_disk_costs_lines_and_garbles_none(
    path: Path, caplog: pytest.LogCaptureFixture, more: int
) -> None:
    lost: list[None] = []
    with (
        contextlib.closing(Audit(path, lambda: lost.append(None))) as audit,
        caplog.at_level(logging.WARNING, "futukit.gateway"),
    ):
        with room(path, more):
            for number in range(3):
                audit.write("call", number=number)
        assert [record.levelname for record in caplog.records] == ["ERROR"]
        assert str(path) in caplog.text
        for number in range(3, 5):
            audit.write("call", number=number)
    assert len(lost) == 3
    assert [record.levelname for record in caplog.records] == ["ERROR", "WARNING"]
    texts = path.read_text("utf-8").splitlines()
    assert [json.loads(text)["number"] for text in texts[-2:]] == [3, 4]
    assert "" not in texts
    # What was begun is a line of its own, before them.
    assert len(texts) == 3 + bool(more)


def test_half_a_line_of_an_earlier_gateway_is_ended(path: Path) -> None:
    path.write_text('{"event": "ca')
    with contextlib.closing(Audit(path)) as audit:
        audit.write("call")
    assert [text[-14:] for text in path.read_text("utf-8").splitlines()] == [
        '{"event": "ca',
        '"audit_opened"}'[-14:],
        '"event":"call"}'[-14:],
    ]


@POSIX
def test_a_new_file_is_for_its_owner_alone_and_an_old_one_stays_as_it_is(path: Path) -> None:
    Audit(path).close()
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    path.chmod(0o640)
    Audit(path).close()
    assert stat.S_IMODE(path.stat().st_mode) == 0o640


@POSIX
def test_after_a_rotation_lines_go_to_the_new_file(
    path: Path, audit: Audit, caplog: pytest.LogCaptureFixture
) -> None:
    audit.write("before")
    old = path.rename(path.with_name("old"))
    audit.reopen()
    audit.write("after")
    assert [line["event"] for line in lines_of(old)] == ["before"]
    assert [line["event"] for line in lines_of(path)] == ["after"]
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    # Where there cannot be a new one, the old one goes on.
    path.rename(path.with_name("older"))
    path.mkdir()
    audit.reopen()
    assert "stay in the old file" in caplog.text
    audit.write("later")
    assert lines_of(path.with_name("older"))[-1]["event"] == "later"


@pytest.mark.parametrize("name", ["", "no/such/folder", "\0"])
def test_a_file_that_cannot_be_opened_is_a_usage_error(tmp_path: Path, name: str) -> None:
    with pytest.raises(UsageError, match="cannot write audit lines to"):
        Audit(tmp_path / name)


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="only Linux has one")
def test_a_file_that_takes_no_line_is_a_usage_error() -> None:
    with pytest.raises(UsageError, match="cannot write audit lines to /dev/full: No space left"):
        Audit("/dev/full")
