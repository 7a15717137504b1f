"""What the doors tell of clients, streams and calls: a line each, and counts."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from futukit.gateway.access import Access
from futukit.gateway.audit import Audit
from futukit.gateway.members import Member
from futukit.gateway.metrics import Metrics
from futukit.gateway.records import Records
from futukit.gateway.refusals import denied

PEER = "ipv4:127.0.0.1:5"
WHO = {"peer": PEER, "key": "anonymous"}


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "audit.jsonl"


@pytest.fixture
def records(path: Path) -> Iterator[Records]:
    metrics = Metrics()
    audit = Audit(path, metrics.audit_lost.inc)
    yield Records(metrics, audit)
    audit.close()


@pytest.fixture
def member() -> Member:
    sink: Any = None
    return Member(7, Access(None).authenticate("", 0.0), PEER, sink, notify=True)


def told(path: Path) -> list[dict[str, Any]]:
    """The lines behind the first one, without their times."""
    lines = [json.loads(line) for line in path.read_text("utf-8").splitlines()[1:]]
    return [{name: line[name] for name in line if name != "time"} for line in lines]


def counted(records: Records, line: str) -> bool:
    return f"\nfutukit_gateway_{line}\n" in records.metrics.text()


def test_a_stream_is_told_of_from_its_beginning_to_its_end(
    records: Records, member: Member, path: Path
) -> None:
    records.stream_opened(member)
    assert counted(records, "push_streams 1.0")
    records.stream_closed(member)
    records.stream_opened(member)
    records.stream_closed(member, "too slow")
    assert counted(records, "push_streams 0.0")
    opened, closed = {"event": "stream_opened", **WHO}, {"event": "stream_closed", **WHO}
    assert told(path) == [opened, closed, opened, {**closed, "reason": "too slow"}]


def test_what_is_refused_is_written_and_counted(
    records: Records, member: Member, path: Path
) -> None:
    records.stream_refused(member, denied("no scope"))
    records.no_room(PEER, "too many clients")
    records.unreadable(member)
    assert told(path) == [
        {"event": "stream_refused", **WHO, "status": "PERMISSION_DENIED", "reason": "no scope"},
        {
            "event": "turned_away",
            "peer": PEER,
            "status": "UNAVAILABLE",
            "reason": "too many clients",
        },
        {"event": "call", **WHO, "status": "INVALID_ARGUMENT"},
    ]
    for status in ("PERMISSION_DENIED", "UNAVAILABLE", "INVALID_ARGUMENT"):
        assert counted(records, f'refusals_total{{status="{status}"}} 1.0')
    assert counted(records, 'requests_total{outcome="failed",proto_id="unknown"} 1.0')


def test_each_loss_of_opend_is_written_and_counted_once(records: Records, path: Path) -> None:
    for up in (True, False, True, False):
        records.upstream(up=up)
    assert [line["event"] for line in told(path)] == ["upstream_up", "upstream_lost"] * 2
    assert counted(records, "upstream_lost_total 2.0")
    assert counted(records, "upstream_up 0.0")


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="only Linux has one")
def test_a_line_that_is_lost_is_counted(records: Records, member: Member, path: Path) -> None:
    assert counted(records, "audit_lost_total 0.0")
    path.unlink()
    path.symlink_to("/dev/full")
    records.audit.reopen()
    records.joined(member)
    assert counted(records, "audit_lost_total 2.0")
    assert counted(records, "members 1.0")
