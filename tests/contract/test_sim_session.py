"""The simulator as a peer: handshake, limits, and what hostile input does to whom."""

from __future__ import annotations

import asyncio
import contextlib
import random
import socket
import threading
from typing import Any

import pytest

from futukit import codec
from futukit._native.frame import build_frame
from futukit.channels.serving import MAX_REQUEST_BYTES
from futukit.messages import (
    get_global_state,
    init_connect,
    keep_alive,
    qot_common,
    qot_get_sub_info,
    qot_request_history_kl,
)
from futukit.sim import SimulatedOpenD
from futukit.sim.control import ControlPort
from futukit.sim.host import Host
from futukit.sim.server import Server
from futukit.sim.settings import Settings
from tests.unit.sim.raw_client import INIT_CONNECT, SECONDS, RawClient, frame, security, until

GLOBAL_STATE = 1002
SUB_INFO = 3003
STATE = get_global_state.C2S(user_id=0)
HELLO = codec.encode(init_connect.Request(c2s=init_connect.C2S(client_ver=100, client_id="x")))


def test_the_handshake_gives_an_id_a_key_and_an_interval(opend: SimulatedOpenD) -> None:
    with RawClient(opend.port) as one, RawClient(opend.port) as other:
        assert one.welcome.conn_id != other.welcome.conn_id
        assert one.welcome.conn_aes_key != other.welcome.conn_aes_key
        assert len(one.welcome.conn_aes_key) == 16
        assert one.welcome.conn_aes_key.isascii()
        assert one.welcome.aes_cbc_iv is None
        assert one.welcome.keep_alive_interval == 10
        assert one.ask(GLOBAL_STATE, STATE).conn_id == one.welcome.conn_id


def test_the_keep_alive_interval_can_be_set() -> None:
    with SimulatedOpenD(freeze=True, keep_alive_interval=3) as opend, RawClient(opend.port) as raw:
        assert raw.welcome.keep_alive_interval == 3


def test_keep_alive_tells_the_simulated_time(opend: SimulatedOpenD) -> None:
    with RawClient(opend.port) as raw:
        before = raw.ask(1004, keep_alive.C2S(time=0)).time
        moved = opend.advance(90)
        assert raw.ask(1004, keep_alive.C2S(time=0)).time == int(moved.now) == before + 90


def test_keep_alive_keeps_up_with_a_fast_clock() -> None:
    with SimulatedOpenD(speed=3600) as opend, RawClient(opend.port) as raw:
        start = opend.stats().now
        until(lambda: opend.stats().now >= start + 600)
        before = opend.stats().now
        told = raw.ask(1004, keep_alive.C2S(time=0)).time
        assert int(before) <= told <= opend.stats().now


def test_a_frozen_simulator_gives_up_nobody_for_silence(opend: SimulatedOpenD) -> None:
    with RawClient(opend.port) as raw:
        opend.advance(300)
        assert raw.ask(GLOBAL_STATE, STATE).qot_logined


def test_a_live_simulator_gives_up_who_is_silent() -> None:
    with SimulatedOpenD(keep_alive_interval=1) as opend, RawClient(opend.port) as raw:
        assert raw.at_end()
        assert opend.stats().connections == ()


def test_no_more_than_128_connections() -> None:
    with SimulatedOpenD(freeze=True) as opend:
        clients = [RawClient(opend.port) for _ in range(128)]
        assert len({raw.welcome.conn_id for raw in clients}) == 128
        with RawClient(opend.port, hello=False) as late:
            response = late.hello()
            assert response.ret_type == -1
            assert "too many connections: 128" in response.ret_msg
            assert late.at_end()
        assert clients[127].ask(GLOBAL_STATE, STATE).qot_logined
        clients[0].close()
        until(lambda: len(opend.stats().connections) == 127)
        with RawClient(opend.port, hello=False) as again:
            assert again.hello().ret_type == 0
        for raw in clients:
            raw.close()


def test_sockets_beyond_all_reason_are_closed_at_once() -> None:
    with SimulatedOpenD(freeze=True, max_connections=1) as opend, RawClient(opend.port) as raw:
        with RawClient(opend.port, hello=False), RawClient(opend.port, hello=False) as third:
            assert third.at_end()
        assert raw.ask(GLOBAL_STATE, STATE).qot_logined


def test_an_unknown_id_is_refused_and_the_connection_kept(opend: SimulatedOpenD) -> None:
    with RawClient(opend.port) as raw:
        for proto_id in (9999, 3005, 3200, 2**32 - 1, 0):
            got = raw.call_bytes(proto_id, b"")
            response = codec.decode(init_connect.Response, got.body)
            assert response.ret_type == -1
            assert response.ret_msg == f"unknown proto id {proto_id}"
        assert raw.ask(GLOBAL_STATE, STATE).qot_logined


def test_an_undecodable_body_is_refused_and_the_connection_kept(opend: SimulatedOpenD) -> None:
    with RawClient(opend.port) as raw:
        for body in (b"", b"\xff\xff\xff", b"\x0a\x7f"):
            response = raw.call_bytes(3004 if body else 3006, body).read()
            assert response.ret_type == -1
            assert "cannot be read" in response.ret_msg
        assert raw.ask(GLOBAL_STATE, STATE).qot_logined


def _bad_magic() -> bytes:
    return b"XY" + build_frame(GLOBAL_STATE, 2, b"")[2:]


def _bad_digest() -> bytes:
    spoiled = bytearray(build_frame(GLOBAL_STATE, 2, b"body"))
    spoiled[20] ^= 1
    return bytes(spoiled)


def _too_long() -> bytes:
    head = bytearray(build_frame(GLOBAL_STATE, 2, b""))
    head[12:16] = (MAX_REQUEST_BYTES + 1).to_bytes(4, "little")
    return bytes(head)


@pytest.mark.parametrize(
    "hostile",
    [
        pytest.param(_bad_magic(), id="wrong magic"),
        pytest.param(_bad_digest(), id="wrong SHA1"),
        pytest.param(_too_long(), id="oversized"),
        pytest.param(frame(GLOBAL_STATE, 2, b"", version=9), id="wrong version"),
        pytest.param(frame(GLOBAL_STATE, 2, b"", body_format=7), id="unknown body format"),
        pytest.param(frame(INIT_CONNECT, 2, HELLO), id="second InitConnect"),
        pytest.param(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n" * 2, id="another protocol"),
    ],
)
def test_hostile_input_ends_its_own_connection_only(opend: SimulatedOpenD, hostile: bytes) -> None:
    with RawClient(opend.port) as good, RawClient(opend.port) as bad:
        bad.socket.sendall(hostile)
        assert bad.at_end()
        assert good.ask(GLOBAL_STATE, STATE).qot_logined
        until(lambda: opend.stats().connections == (good.welcome.conn_id,))


def test_mutated_frames_hurt_nobody_else(opend: SimulatedOpenD) -> None:
    chance = random.Random(7)
    whole = frame(INIT_CONNECT, 1, HELLO) + frame(
        GLOBAL_STATE, 2, codec.encode(get_global_state.Request(c2s=STATE))
    )
    with RawClient(opend.port) as good:
        for _ in range(150):
            mutant = bytearray(whole)
            for _ in range(chance.randrange(1, 4)):
                mutant[chance.randrange(len(mutant))] = chance.randrange(256)
            with RawClient(opend.port, hello=False) as bad:
                bad.socket.sendall(mutant[: chance.randrange(1, len(mutant) + 1)])
        assert good.ask(GLOBAL_STATE, STATE).qot_logined
        until(lambda: opend.stats().connections == (good.welcome.conn_id,))
        until(lambda: opend.stats().unintroduced == 0)


def test_a_request_before_init_connect_ends_the_connection(opend: SimulatedOpenD) -> None:
    with RawClient(opend.port, hello=False) as raw:
        raw.send(GLOBAL_STATE, codec.encode(get_global_state.Request(c2s=STATE)))
        assert raw.at_end()


def test_a_nonsense_init_connect_is_refused(opend: SimulatedOpenD) -> None:
    with RawClient(opend.port, hello=False) as raw:
        response = raw.call_bytes(INIT_CONNECT, b"\x08").read()
        assert response.ret_type == -500
        assert raw.at_end()


def test_half_a_header_and_then_the_end_is_no_trouble(opend: SimulatedOpenD) -> None:
    with RawClient(opend.port) as good:
        with RawClient(opend.port, hello=False) as half:
            half.socket.sendall(b"FT\x01\x02")
        assert good.ask(GLOBAL_STATE, STATE).qot_logined
        until(lambda: opend.stats().unintroduced == 0)


def test_frames_may_come_byte_by_byte_and_many_at_once(opend: SimulatedOpenD) -> None:
    body = codec.encode(get_global_state.Request(c2s=STATE))
    with RawClient(opend.port) as raw:
        for byte in build_frame(GLOBAL_STATE, 50, body):
            raw.socket.sendall(bytes((byte,)))
        assert raw.read().serial == 50
        raw.socket.sendall(b"".join(build_frame(GLOBAL_STATE, n, body) for n in range(60, 90)))
        assert [raw.read().serial for _ in range(30)] == list(range(60, 90))


@pytest.mark.parametrize("control", [False, True])
def test_stopping_closes_whoever_has_just_come(control: bool) -> None:
    async def come_and_stop(host: Host, turns: int) -> None:
        tcp = Server(host.opend)
        port = ControlPort(host) if control else None
        number = await port.start(0) if port else await tcp.listen("127.0.0.1", 0)
        with socket.create_connection(("127.0.0.1", number)) as client:
            for _ in range(turns):
                await asyncio.sleep(0)
            await (port.stop() if port else tcp.stop())
            await asyncio.sleep(0)
            client.settimeout(SECONDS)
            with contextlib.suppress(ConnectionResetError):
                assert client.recv(1) == b""
        assert not tcp.connections

    host = Host(Settings(freeze=True))
    for turns in range(6):
        asyncio.run(come_and_stop(host, turns))


def test_a_closed_connection_leaves_nothing_behind(opend: SimulatedOpenD) -> None:
    with RawClient(opend.port) as watcher:
        for _ in range(5):
            with RawClient(opend.port) as raw:
                assert raw.subscribe(("HK.00700",), 1, 4).ret_type == 0
        until(lambda: opend.stats().connections == (watcher.welcome.conn_id,))
        stats = opend.stats()
        assert (stats.used_quota, stats.orphans) == (2, 2)
        opend.advance(60)
        stats = opend.stats()
        assert (stats.used_quota, stats.orphans) == (0, 0)
        info = watcher.ask(SUB_INFO, qot_get_sub_info.C2S(is_req_all_conn=True))
        assert len(info.conn_sub_info_list) == 1


def ask_and_never_read(raw: RawClient, times: int) -> None:
    c2s = qot_request_history_kl.C2S(
        rehab_type=qot_common.RehabType.NONE,
        kl_type=qot_common.KLType.K_1MIN,
        security=security("HK.00700"),
        begin_time="2026-01-01",
        end_time="2026-02-27",
        max_ack_kl_num=1000,
    )
    body = codec.encode(qot_request_history_kl.Request(c2s=c2s))
    raw.socket.sendall(b"".join(frame(3103, serial, body) for serial in range(times)))


@pytest.mark.parametrize(
    "settings",
    [
        pytest.param({"write_limit_bytes": 50_000}, id="by the bound on unread bytes"),
        pytest.param({"write_limit_bytes": 2**22, "patience_seconds": 0.1}, id="by impatience"),
    ],
)
def test_a_client_that_does_not_read_is_cut_and_others_are_unharmed(
    settings: dict[str, Any],
) -> None:
    with (
        SimulatedOpenD(freeze=True, **settings) as opend,
        RawClient(opend.port) as good,
        RawClient(opend.port, receive_buffer_bytes=4096) as lazy,
    ):
        assert good.subscribe(("HK.00700",), 1).ret_type == 0
        ask_and_never_read(lazy, 100)
        # A command waits for who does not read only so long.
        until(lambda: bool(opend.advance(0.1) and opend.stats().slow_clients_cut))
        assert opend.stats().slow_clients_cut == 1
        until(lambda: opend.stats().connections == (good.welcome.conn_id,))
        opend.advance(10)
        assert good.sync()


def test_a_slow_client_is_waited_for_while_it_reads() -> None:
    with (
        SimulatedOpenD(freeze=True, write_limit_bytes=2**21, patience_seconds=5) as opend,
        RawClient(opend.port, receive_buffer_bytes=4096) as slow,
    ):
        ask_and_never_read(slow, 100)
        advancing = threading.Thread(target=opend.advance, args=(5,))
        advancing.start()
        for _ in range(100):
            assert slow.read().proto_id == 3103
        advancing.join(10)
        assert not advancing.is_alive()
        assert opend.stats().slow_clients_cut == 0
