"""What the benchmarks feed to both sides, and the two sides themselves."""

from __future__ import annotations

from typing import Any

import pytest

from benchmarks import baseline, upb
from benchmarks.bodies import FEWEST, KLINE_ROWS, Bodies, BodySet, interleaved
from benchmarks.groups.frame import cut
from futukit import codec
from futukit._native.frame import FrameReader, build_frame

_SETS = (
    "tickers",
    "ten_tickers",
    "cold_tickers",
    "order_books",
    "basic_quotes",
    "snapshots",
    "kline_pushes",
    "long_klines",
    "subscriptions",
    "history_requests",
    "orders",
)


@pytest.fixture(scope="module")
def bodies() -> Bodies:
    return Bodies()


def _chosen(bodies: Bodies, name: str) -> BodySet:
    if name == "tickers":
        return bodies.tickers(1)
    found: BodySet = bodies.tickers(10) if name == "ten_tickers" else getattr(bodies, name)
    return found


@pytest.mark.parametrize("name", _SETS)
def test_a_set_has_at_least_1000_distinct_bodies_over_all_codes(bodies: Bodies, name: str) -> None:
    kind = _chosen(bodies, name)
    assert len(kind.bodies) == len(set(kind.bodies)) >= FEWEST
    needs_trades = name in ("tickers", "ten_tickers", "cold_tickers", "order_books", "orders")
    assert kind.codes == (bodies.traded_codes if needs_trades else bodies.codes)


def test_traded_codes_are_all_but_indices_and_plates(bodies: Bodies) -> None:
    assert len(bodies.traded_codes) >= 45
    assert bodies.traded_codes < bodies.codes


@pytest.mark.parametrize("name", _SETS)
def test_both_sides_read_the_same_from_a_body(bodies: Bodies, name: str) -> None:
    kind = _chosen(bodies, name)
    parsed = upb.message_class(kind.full_name).FromString(kind.bodies[-1])
    encoded = codec.encode(codec.decode(kind.cls, kind.bodies[-1]))
    assert parsed.SerializeToString(deterministic=True) == encoded


def test_rows_are_as_many_as_the_case_says(bodies: Bodies) -> None:
    def rows(kind: BodySet, path: str) -> set[int]:
        counts = set()
        for body in kind.bodies[::97]:
            value: Any = codec.decode(kind.cls, body).s2c
            counts.add(len(getattr(value, path)))
        return counts

    assert rows(bodies.tickers(1), "ticker_list") == {1}
    assert rows(bodies.tickers(10), "ticker_list") == {10}
    assert rows(bodies.order_books, "order_book_ask_list") == {10}
    assert rows(bodies.order_books, "order_book_bid_list") == {10}
    assert rows(bodies.long_klines, "kl_list") == {KLINE_ROWS}


def test_cold_bodies_share_no_string(bodies: Bodies) -> None:
    seen: list[str] = []
    for body in bodies.cold_tickers.bodies[:2000]:
        s2c = codec.decode(bodies.cold_tickers.cls, body).s2c
        seen += [s2c.security.code, s2c.name, s2c.ticker_list[0].time]
    assert len(set(seen)) == len(seen)


def test_a_set_refuses_repeated_or_few_bodies() -> None:
    many = [b"%d" % number for number in range(FEWEST)]
    assert BodySet(1, "M", object, many, frozenset()).bodies == many
    with pytest.raises(ValueError, match="1000 distinct of 1001"):
        BodySet(1, "M", object, [*many, b"0"], frozenset())
    with pytest.raises(ValueError, match="999 distinct"):
        BodySet(1, "M", object, many[1:], frozenset())


def test_interleaved_takes_one_of_each_in_turns() -> None:
    assert "".join(interleaved(["abc", "d", "", "ef"])) == "adebfc"


def test_pieces_have_the_exact_size_and_are_distinct(bodies: Bodies) -> None:
    for size in (60, 300, 2048, 65536):
        pieces = cut(bodies.small_material, size, FEWEST)
        assert {len(piece) for piece in pieces} == {size}
        assert len(set(pieces)) == len(pieces) == FEWEST


def test_too_little_material_is_refused() -> None:
    with pytest.raises(ValueError, match="different pieces"):
        cut(bytes(5000), 60, 1000)


# The baselines do the same work.


def test_frames_by_hand_are_those_of_the_product(bodies: Bodies) -> None:
    chosen = bodies.tickers(1).bodies[:50]
    frames = [baseline.build(3011, serial, body) for serial, body in enumerate(chosen)]
    assert frames == [build_frame(3011, serial, body) for serial, body in enumerate(chosen)]
    reader = FrameReader()
    reader.feed(b"".join(frames))
    expected = [(e.proto_id, e.serial, e.body_format, e.body) for e in reader]
    stream = b"".join(frames)
    assert baseline.split(stream) == (expected, len(stream))


def test_splitting_by_hand_keeps_a_rest_and_refuses_bad_frames() -> None:
    frame = baseline.build(1004, 7, b"body")
    assert baseline.split(frame + frame[:-1]) == ([(1004, 7, 0, b"body")], len(frame))
    with pytest.raises(ValueError, match="digest"):
        baseline.split(frame[:-1] + b"?")
    with pytest.raises(ValueError, match="header"):
        baseline.split(b"XX" + frame[2:])


class _Recorder:
    """Stands for a message and notes what is read of it."""

    def __init__(self, descriptor: Any, seen: set[str]) -> None:
        self._descriptor = descriptor
        self._seen = seen

    def HasField(self, _name: str) -> bool:
        return True

    def __getattr__(self, name: str) -> object:
        field = self._descriptor.fields_by_name[name]
        self._seen.add(field.full_name)
        inner = field.message_type
        value = 0 if inner is None else _Recorder(inner, self._seen)
        return [value] if _is_list(self._descriptor, name) else value


def _is_list(descriptor: Any, name: str) -> bool:
    from google.protobuf import descriptor_pb2

    declared = descriptor_pb2.DescriptorProto()
    descriptor.CopyToProto(declared)
    return any(f.name == name and f.label == f.LABEL_REPEATED for f in declared.field)


def _all_fields(descriptor: Any) -> set[str]:
    names = set()
    for field in descriptor.fields:
        names.add(field.full_name)
        if field.message_type is not None:
            names |= _all_fields(field.message_type)
    return names


@pytest.mark.parametrize(
    "full_name",
    ["Qot_UpdateTicker.Response", "Qot_GetSecuritySnapshot.Response", "Qot_Sub.Request"],
)
def test_the_field_reader_reads_every_field(full_name: str) -> None:
    descriptor = upb.message_class(full_name).DESCRIPTOR
    seen: set[str] = set()
    upb.field_reader(full_name)(_Recorder(descriptor, seen))
    assert seen == _all_fields(descriptor)
