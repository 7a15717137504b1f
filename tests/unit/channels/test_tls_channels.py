"""TLS on real sockets, the same for both faces: bytes both ways, pauses, and all kinds of ends."""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
import ssl
import struct
import threading

import pytest

from futukit._native.frame import build_frame
from futukit.channels import tcp_asyncio
from futukit.errors import BadLength, ConnectionLost
from futukit.options import Options
from tests.support.certificates import Certificates
from tests.unit.channels.conftest import Open, Serve
from tests.unit.channels.pipes import AsyncioPipe, BlockingPipe, Pipe
from tests.unit.channels.servers import (
    PUSH,
    Server,
    Streams,
    frames,
    over_streams,
    over_tls,
    serials,
)

COUNT, SIZE = 60, 100_000
MUCH = frames(COUNT, SIZE)
ALL = list(range(COUNT))
PING = build_frame(PUSH, 7, b"ping")


def echo(sock: ssl.SSLSocket) -> bytes:
    """Send back what comes, to the end; gives all of it."""
    heard = b""
    while chunk := sock.recv(65536):
        heard += chunk
        sock.sendall(chunk)
    return heard


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
def test_frames_go_both_ways(
    version: ssl.TLSVersion, serve: Serve, open_pipe: Open, issued: Certificates
) -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(issued.certificate, issued.key)
    context.minimum_version = context.maximum_version = version
    server = serve(over_tls(context, echo))
    pipe = open_pipe(server)
    for count in range(1, 4):
        pipe.send(PING)
        assert pipe.session.wait_for_envelopes(count)[-1].body == b"ping"
    pipe.close()
    assert server.outcome() == PING * 3  # an end without close_notify would be an SSLEOFError


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1"])
def test_names_and_addresses_are_proven(
    host: str, serve: Serve, open_pipe: Open, server_tls: ssl.SSLContext
) -> None:
    pipe = open_pipe(serve(over_tls(server_tls, echo)), host)
    pipe.send(PING)
    pipe.session.wait_for_envelopes(1)


def test_ipv6(open_pipe: Open, server_tls: ssl.SSLContext) -> None:
    try:
        server = Server(over_tls(server_tls, echo), "::1")
    except OSError:
        pytest.skip("this machine has no IPv6")
    with server:
        pipe = open_pipe(server, "::1")
        pipe.send(PING)
        pipe.session.wait_for_envelopes(1)
        pipe.close()


@pytest.mark.parametrize("scheme", ["tcp", "tcps"])
def test_much_goes_both_ways_at_once(
    scheme: str, serve: Serve, open_pipe: Open, server_tls: ssl.SSLContext
) -> None:
    async def script(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bytes:
        writer.write(MUCH)
        return await reader.read(-1)

    server = serve(over_streams(server_tls if scheme == "tcps" else None, script))
    pipe = open_pipe(server, scheme=scheme)
    for at in range(0, len(MUCH), 1_000_003):
        pipe.send(MUCH[at : at + 1_000_003])
    arrived = pipe.session.wait_for_envelopes(COUNT)
    assert [envelope.serial for envelope in arrived] == ALL
    pipe.close()
    assert serials(server.outcome()) == ALL  # type: ignore[arg-type]


def test_many_threads_send_whole_frames(
    serve: Serve, open_pipe: Open, server_tls: ssl.SSLContext
) -> None:
    total = 8 * 50
    size = len(build_frame(PUSH, 0, bytes(3000)))
    server = serve(over_tls(server_tls, lambda sock: read_exactly(sock, total * size)))
    pipe = open_pipe(server)

    def send(first: int) -> None:
        for serial in range(first, first + 50):
            pipe.send(build_frame(PUSH, serial, bytes(3000)))

    threads = [threading.Thread(target=send, args=[n * 50]) for n in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(serials(server.outcome())) == list(range(total))  # type: ignore[arg-type]


def read_exactly(sock: ssl.SSLSocket, size: int) -> bytes:
    data = b""
    while len(data) < size:
        data += sock.recv(size - len(data))
    return data


def test_a_peer_that_writes_before_it_reads_gets_everything(
    serve: Serve, open_pipe: Open, server_tls: ssl.SSLContext
) -> None:
    """Neither side may wait in a write for the other to read."""

    def script(sock: ssl.SSLSocket) -> bytes:
        sock.sendall(MUCH)
        return read_exactly(sock, len(MUCH))

    server = serve(over_tls(server_tls, script))
    pipe = open_pipe(server)
    pipe.send(MUCH)
    pipe.session.wait_for_envelopes(COUNT)
    assert serials(server.outcome()) == ALL  # type: ignore[arg-type]


# Pauses.


def test_a_paused_channel_writes_on_and_reads_later(
    serve: Serve, open_pipe: Open, server_tls: ssl.SSLContext
) -> None:
    heard = threading.Event()

    async def script(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readexactly(len(PING))
        writer.write(MUCH)
        assert serials(await reader.readexactly(len(MUCH))) == ALL
        heard.set()
        await reader.readexactly(len(PING))

    server = serve(over_streams(server_tls, script))
    pipe = open_pipe(server)
    pipe.set_reading(False)
    pipe.send(PING)
    pipe.send(MUCH)
    assert heard.wait(10)
    assert len(pipe.session.envelopes) < COUNT
    pipe.set_reading(True)
    pipe.session.wait_for_envelopes(COUNT)
    pipe.send(PING)
    assert server.outcome() is None


@pytest.mark.parametrize("size", [400, 150_000])
def test_what_came_before_the_end_is_not_lost_in_a_pause(
    size: int, serve: Serve, open_pipe: Open, server_tls: ssl.SSLContext
) -> None:
    written = threading.Event()
    data = frames(size // 400, 356)

    def script(sock: ssl.SSLSocket) -> None:
        sock.recv(100)
        sock.sendall(data)
        with contextlib.suppress(ssl.SSLWantReadError, TimeoutError):
            sock.settimeout(0)
            sock.unwrap()
        sock.shutdown(socket.SHUT_WR)
        written.set()

    pipe = open_pipe(serve(over_tls(server_tls, script)))
    pipe.set_reading(False)
    pipe.send(PING)
    assert written.wait(10)
    pipe.set_reading(True)
    assert len(pipe.session.wait_for_envelopes(size // 400)) == size // 400
    assert str(pipe.session.wait_for_loss()) == "the peer closed the connection"


# Ends.


def after_a_ping(act: Streams) -> Streams:
    async def script(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> object:
        await reader.readexactly(len(PING))
        return await act(reader, writer)

    return script


async def end_in_order(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.write(MUCH)
    writer.close()
    await writer.wait_closed()


async def end_without_close_notify(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.write(PING)
    await writer.drain()
    writer.get_extra_info("socket").shutdown(socket.SHUT_WR)


async def end_within_a_frame(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.write(PING + PING[:-1])
    await writer.drain()
    writer.get_extra_info("socket").shutdown(socket.SHUT_WR)


async def reset(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    linger = struct.pack("ii", 1, 0)
    writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)


async def forge(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    os.write(writer.get_extra_info("socket").fileno(), b"\x17\x03\x03\x00\x20" + bytes(32))


def test_an_orderly_end_comes_after_everything(
    serve: Serve, open_pipe: Open, server_tls: ssl.SSLContext
) -> None:
    pipe = open_pipe(serve(over_streams(server_tls, after_a_ping(end_in_order))))
    pipe.send(PING)
    assert str(pipe.session.wait_for_loss()) == "the peer closed the connection"
    assert [envelope.serial for envelope in pipe.session.envelopes] == ALL


@pytest.mark.parametrize(
    ("end", "kind", "reason"),
    [
        (end_without_close_notify, ConnectionLost, "without TLS's close_notify"),
        (end_within_a_frame, BadLength, "within a frame"),
        (reset, ConnectionLost, "the connection broke: .*reset"),
        (forge, ConnectionLost, "the TLS connection broke: .*"),
    ],
)
def test_other_ends_say_what_happened(
    end: Streams,
    kind: type[Exception],
    reason: str,
    serve: Serve,
    open_pipe: Open,
    server_tls: ssl.SSLContext,
) -> None:
    pipe = open_pipe(serve(over_streams(server_tls, after_a_ping(end))))
    pipe.send(PING)
    lost = pipe.session.wait_for_loss()
    assert type(lost) is kind
    with pytest.raises(kind, match=reason):
        raise lost


def test_closing_does_not_wait_for_a_peers_close_notify(
    serve: Serve, open_pipe: Open, server_tls: ssl.SSLContext
) -> None:
    done = threading.Event()

    def script(sock: ssl.SSLSocket) -> object:
        done.wait(10)  # neither reads nor answers
        return sock.recv(100)

    server = serve(over_tls(server_tls, script))
    pipe = open_pipe(server)
    pipe.close()
    done.set()
    assert server.outcome() == b""


def test_closing_gives_up_on_a_peer_that_does_not_read(
    serve: Serve, open_pipe: Open, server_tls: ssl.SSLContext, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tcp_asyncio, "CLOSE_TIMEOUT", 0.1)
    monkeypatch.setattr(BlockingPipe, "close_timeout", 0.1)
    done = threading.Event()
    pipe = open_pipe(serve(over_tls(server_tls, lambda _: done.wait(10))))
    pipe.send(MUCH * 2)
    pipe.close()
    assert not done.is_set()
    done.set()


def test_closing_while_the_peer_sends(
    serve: Serve, open_pipe: Open, server_tls: ssl.SSLContext, caplog: pytest.LogCaptureFixture
) -> None:
    def script(sock: ssl.SSLSocket) -> None:
        while True:
            sock.sendall(PING * 100)

    server = serve(over_tls(server_tls, script))
    pipe: Pipe = open_pipe(server)
    pipe.session.wait_for_envelopes(1000)
    pipe.close()
    assert isinstance(server.outcome(), OSError)
    assert not caplog.records


def test_an_aborted_channel_takes_nothing_more(
    serve: Serve,
    server_tls: ssl.SSLContext,
    issued: Certificates,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """What a session does that finds nonsense: it aborts while it is being given bytes."""
    server = serve(over_tls(server_tls, echo))
    pipe = AsyncioPipe()
    with contextlib.closing(pipe):
        pipe.open(server.endpoint(), Options(tls_ca=issued.authority), 5.0)
        pipe.abort_on_arrival()
        pipe.send(MUCH[: 3 * SIZE])
        pipe.session.wait_for_loss()
    assert len(pipe.session.envelopes) <= 1
    assert not caplog.records
