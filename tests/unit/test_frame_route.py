"""FrameReader.route: pushes go to their sinks in order, everything else comes back."""

from __future__ import annotations

import pytest

from futukit._native.frame import FrameReader, build_frame
from futukit.codec import PushSink, encode, plan_of
from futukit.errors import BadMagic, DecodeError, DigestMismatch, UsageError
from futukit.messages import keep_alive, qot_update_ticker
from futukit.messages.common import RetType
from futukit.messages.qot_common import QotMarket, Security


def fed(*frames: tuple[int, bytes]) -> FrameReader:
    reader = FrameReader()
    reader.feed(b"".join(build_frame(proto_id, 1, body) for proto_id, body in frames))
    return reader


def test_pushes_go_to_their_sinks_and_the_rest_comes_back_in_order() -> None:
    reader = fed((3005, b"a"), (1002, b"b"), (3011, b"c"), (3005, b"d"))
    taken: list[tuple[str, bytes]] = []
    sinks = {
        3005: lambda body: taken.append(("quote", body)),
        3011: lambda body: taken.append(("ticker", body)),
    }
    first = reader.route(sinks)
    assert first is not None
    assert (first.proto_id, first.body, taken) == (1002, b"b", [("quote", b"a")])
    assert reader.route(sinks) is None
    assert taken == [("quote", b"a"), ("ticker", b"c"), ("quote", b"d")]


def test_any_chunking_gives_the_same() -> None:
    data = b"".join(build_frame(3005, n, bytes([n]) * n) for n in range(20))
    reader, taken = FrameReader(), list[bytes]()
    for byte in data:
        reader.feed(bytes([byte]))
        assert reader.route({3005: taken.append}) is None
    assert taken == [bytes([n]) * n for n in range(20)]


def test_a_sink_may_change_who_gets_the_next() -> None:
    reader = fed((3005, b"a"), (3005, b"b"))
    sinks: dict[int, object] = {3005: lambda _body: sinks.clear()}
    envelope = reader.route(sinks)  # type: ignore[arg-type]
    assert envelope is not None
    assert envelope.body == b"b"


def test_a_sink_may_clear_the_reader() -> None:
    reader, taken = fed((3005, b"a"), (3005, b"b")), list[bytes]()

    def sink(body: bytes) -> None:
        taken.append(body)
        reader.clear()

    assert reader.route({3005: sink}) is None
    assert taken == [b"a"]
    assert reader.pending_bytes == 0


def test_what_a_sink_raises_passes_through_and_its_frame_is_taken() -> None:
    reader = fed((3005, b"a"), (1002, b"b"))

    def sink(_body: bytes) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        reader.route({3005: sink})
    envelope = reader.route({3005: sink})
    assert envelope is not None
    assert envelope.body == b"b"


def test_what_is_whole_before_garbage_is_delivered() -> None:
    reader, taken = fed((3005, b"a")), list[bytes]()
    reader.feed(b"garbage")
    with pytest.raises(BadMagic) as caught:
        reader.route({3005: taken.append})
    assert taken == [b"a"]
    assert caught.value.offset == 45


def test_a_push_sink_tells_consumer_unusable_and_failed_apart() -> None:
    usable = qot_update_ticker.Response(
        ret_type=RetType.SUCCEED,
        s2c=qot_update_ticker.S2C(
            security=Security(market=QotMarket.HK_SECURITY, code="00700"), ticker_list=()
        ),
    )
    failure = qot_update_ticker.Response(ret_type=RetType.FAILED, ret_msg="no")
    consumed: list[object] = []
    unusable: list[object] = []
    failed: list[Exception] = []

    def consume(s2c: object) -> None:
        consumed.append(s2c)
        if len(consumed) == 2:
            raise RuntimeError("a fault of the handler")

    sink = PushSink(plan_of(qot_update_ticker.Response), consume, unusable.append, failed.append)
    for body in (encode(usable), encode(usable), encode(failure), b"\x08"):
        sink(body)
    assert consumed == [usable.s2c, usable.s2c]
    assert unusable[0] == failure
    assert isinstance(unusable[1], DecodeError)
    assert [str(error) for error in failed] == ["a fault of the handler"]


def test_the_plan_of_a_class_is_found_again_and_again() -> None:
    assert plan_of(keep_alive.C2S) is plan_of(keep_alive.C2S)
    assert plan_of(keep_alive.C2S) is not plan_of(keep_alive.S2C)


def test_a_sink_that_was_never_initialised_is_refused() -> None:
    with pytest.raises(UsageError):
        PushSink.__new__(PushSink)(b"")


def test_a_compiled_sink_gets_what_python_ones_get_and_may_clear_the_reader() -> None:
    body = encode(
        qot_update_ticker.Response(
            ret_type=RetType.SUCCEED,
            s2c=qot_update_ticker.S2C(
                security=Security(market=QotMarket.HK_SECURITY, code="00700"), ticker_list=()
            ),
        )
    )
    reader = fed((3011, body), (3011, body), (3011, body))
    consumed: list[object] = []

    def consume(s2c: object) -> None:
        consumed.append(s2c)
        if len(consumed) == 2:
            reader.clear()
            reader.feed(build_frame(1002, 1, b"new"))

    sink = PushSink(plan_of(qot_update_ticker.Response), consume, print, print)
    envelope = reader.route({3011: sink})
    assert envelope is not None
    assert (envelope.body, len(consumed)) == (b"new", 2)


def test_a_spoilt_body_never_reaches_a_compiled_sink() -> None:
    data = bytearray(build_frame(3011, 7, b"\x08\x00"))
    data[-1] ^= 1
    reader = FrameReader()
    reader.feed(build_frame(1002, 1, b""))
    reader.feed(data)
    taken: list[object] = []
    sink = PushSink(plan_of(qot_update_ticker.Response), taken.append, taken.append, taken.append)
    assert reader.route({3011: sink}) is not None
    for _ in range(2):
        with pytest.raises(DigestMismatch) as caught:
            reader.route({3011: sink})
        assert (caught.value.offset, caught.value.proto_id, caught.value.serial) == (44, 3011, 7)
    assert taken == []


def test_what_a_handler_lets_through_leaves_the_reader_whole() -> None:
    body = encode(
        qot_update_ticker.Response(
            ret_type=RetType.SUCCEED,
            s2c=qot_update_ticker.S2C(
                security=Security(market=QotMarket.HK_SECURITY, code="00700"), ticker_list=()
            ),
        )
    )

    def interrupt(_s2c: object) -> None:
        raise KeyboardInterrupt

    reader = fed((3011, body), (1002, b"next"))
    sink = PushSink(plan_of(qot_update_ticker.Response), interrupt, print, print)
    with pytest.raises(KeyboardInterrupt):
        reader.route({3011: sink})
    envelope = reader.route({3011: sink})
    assert envelope is not None
    assert envelope.body == b"next"
