"""Every fault, seen from the client's side of the socket."""

from __future__ import annotations

from typing import get_args

import pytest

from futukit import codec
from futukit._native.frame import FrameReader
from futukit.errors import FrameError, UsageError
from futukit.messages import get_global_state, init_connect, keep_alive
from futukit.sim import SimulatedOpenD
from futukit.sim.faults import Corruption
from tests.unit.sim.raw_client import KEEP_ALIVE, RawClient, until

GLOBAL_STATE = 1002
STATE = get_global_state.C2S(user_id=0)
BASIC = 1


def test_delay_holds_one_frame_back_until_its_time(opend: SimulatedOpenD) -> None:
    with RawClient(opend.port) as raw:
        opend.fault("delay", proto_id=GLOBAL_STATE, seconds=2.5)
        late = raw.send(GLOBAL_STATE, _global_state())
        assert raw.sync() == []
        opend.advance(2)
        assert raw.sync() == []
        opend.advance(0.5)
        assert [frame.serial for frame in raw.sync()] == [late]
        assert raw.ask(GLOBAL_STATE, STATE)


def test_a_delayed_frame_leaves_at_its_moment_within_an_advance(opend: SimulatedOpenD) -> None:
    with RawClient(opend.port) as raw:
        raw.subscribe(("HK.00700",), BASIC)
        opend.fault("delay", proto_id=GLOBAL_STATE, seconds=1.5)
        late = raw.send(GLOBAL_STATE, _global_state())
        raw.sync()
        opend.advance(4)
        order = [frame.serial if frame.proto_id == GLOBAL_STATE else 0 for frame in raw.sync()]
        place = order.index(late)
        assert 0 < place < len(order) - 1


def test_silence_swallows_frames_and_keeps_the_connection(opend: SimulatedOpenD) -> None:
    with RawClient(opend.port) as raw:
        opend.fault("silence", proto_id=GLOBAL_STATE, count=2)
        for _ in range(2):
            raw.send(GLOBAL_STATE, _global_state())
        assert raw.sync() == []
        assert raw.ask(GLOBAL_STATE, STATE)


def test_cut_closes_in_mid_frame(opend: SimulatedOpenD) -> None:
    with RawClient(opend.port) as raw, RawClient(opend.port) as other:
        opend.fault("cut", connection_id=raw.welcome.conn_id, at_byte=50)
        raw.send(GLOBAL_STATE, _global_state())
        rest = raw.rest()
        assert len(rest) == 50
        assert rest[:2] == b"FT"
        assert other.ask(GLOBAL_STATE, STATE)


def test_cut_at_once_sends_nothing(opend: SimulatedOpenD) -> None:
    with RawClient(opend.port) as raw:
        opend.fault("cut", proto_id=3005)
        raw.subscribe(("HK.00700",), BASIC)
        opend.advance(30)
        assert raw.rest() == b""


@pytest.mark.parametrize("what", get_args(Corruption))
def test_corrupt_sends_a_frame_that_no_reader_takes(
    opend: SimulatedOpenD, what: Corruption
) -> None:
    with RawClient(opend.port) as raw:
        whole = len(raw.call_bytes(GLOBAL_STATE, _global_state()).body) + 44
        opend.fault("corrupt", what=what)
        raw.send(GLOBAL_STATE, _global_state())
        data = b""
        while len(data) < whole:
            data += raw.socket.recv(whole - len(data))
        with pytest.raises(FrameError):
            read_all(data)


def read_all(data: bytes) -> None:
    reader = FrameReader()
    reader.feed(data)
    list(reader)


def test_refuse_answers_with_an_error_in_place_of_the_answer(opend: SimulatedOpenD) -> None:
    with RawClient(opend.port) as raw:
        opend.fault("refuse", proto_id=GLOBAL_STATE, ret_type=-100, message="too slow")
        response = raw.call(GLOBAL_STATE, STATE)
        assert (response.ret_type, response.ret_msg) == (-100, "too slow")
        assert raw.ask(GLOBAL_STATE, STATE)


def test_init_connect_can_be_refused(opend: SimulatedOpenD) -> None:
    opend.fault("refuse", proto_id=1001, message="not today")
    with RawClient(opend.port, hello=False) as raw:
        response = raw.hello()
        assert (response.ret_type, response.ret_msg) == (-1, "not today")
        assert raw.at_end()
    with RawClient(opend.port) as again:
        assert again.ask(GLOBAL_STATE, STATE)


def test_init_connect_can_be_slow(opend: SimulatedOpenD) -> None:
    opend.fault("delay", proto_id=1001, seconds=15)
    with RawClient(opend.port, hello=False) as raw:
        raw.send(1001, _hello())
        raw.send(KEEP_ALIVE, _keep_alive())
        assert raw.read().proto_id == KEEP_ALIVE
        opend.advance(15)
        assert raw.read().proto_id == 1001


def test_init_connect_can_be_garbled_and_cut(opend: SimulatedOpenD) -> None:
    opend.fault("corrupt", proto_id=1001, what="garbage")
    opend.fault("cut", proto_id=1001, at_byte=20)
    with RawClient(opend.port, hello=False) as garbled:
        garbled.send(1001, _hello())
        assert garbled.socket.recv(2) != b"FT"
    with RawClient(opend.port, hello=False) as cut:
        cut.send(1001, _hello())
        assert len(cut.rest()) == 20


def test_a_fault_can_be_for_one_connection_and_be_cleared(opend: SimulatedOpenD) -> None:
    with RawClient(opend.port) as one, RawClient(opend.port) as other:
        opend.fault("silence", connection_id=one.welcome.conn_id, proto_id=1002, count=None)
        assert opend.stats().faults == 1
        assert other.ask(GLOBAL_STATE, STATE)
        one.send(GLOBAL_STATE, _global_state())
        assert one.sync() == []
        opend.clear_faults()
        assert one.ask(GLOBAL_STATE, STATE)


def test_a_delayed_frame_of_a_closed_connection_is_forgotten(opend: SimulatedOpenD) -> None:
    with RawClient(opend.port) as watcher:
        opend.fault("delay", proto_id=GLOBAL_STATE, seconds=5)
        with RawClient(opend.port) as raw:
            raw.send(GLOBAL_STATE, _global_state())
            raw.sync()
        until(lambda: len(opend.stats().connections) == 1)
        opend.advance(10)
        assert watcher.ask(GLOBAL_STATE, STATE)


def test_impossible_faults_are_usage_errors(opend: SimulatedOpenD) -> None:
    with pytest.raises(UsageError, match="explode"):
        opend.fault("explode")  # type: ignore[arg-type]
    with pytest.raises(UsageError):
        opend.fault("delay", seconds=-1)


def _global_state() -> bytes:
    return codec.encode(get_global_state.Request(c2s=STATE))


def _hello() -> bytes:
    c2s = init_connect.C2S(client_ver=100, client_id="x")
    return codec.encode(init_connect.Request(c2s=c2s))


def _keep_alive() -> bytes:
    return codec.encode(keep_alive.Request(c2s=keep_alive.C2S(time=0)))
