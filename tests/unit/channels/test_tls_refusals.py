"""Handshakes that fail: each a prompt ConnectError that says why, on both faces."""

from __future__ import annotations

import queue
import socket
import ssl
import threading

import pytest

from futukit._native.frame import build_frame
from futukit.channels import security_of
from futukit.channels.tcp_blocking import Wakeup, open_channel
from futukit.core.links.frames import FrameLink
from futukit.errors import ConnectError, ConnectionLost
from futukit.options import Options
from tests.support.certificates import Certificates
from tests.unit.channels.conftest import Open, Serve
from tests.unit.channels.servers import PUSH, over_tls, read_all

PING = build_frame(PUSH, 7, b"ping")


def answer(sock: ssl.SSLSocket) -> object:
    """Answer one frame, and say who asked."""
    sock.sendall(sock.recv(100))
    return sock.getpeercert()


def test_a_certificate_of_a_stranger(
    serve: Serve, open_pipe: Open, server_tls: ssl.SSLContext, issued: Certificates
) -> None:
    server = serve(over_tls(server_tls, answer))
    reason = r"^the certificate of tcps://localhost:\d+ is not trusted: .*; give tls_ca"
    with pytest.raises(ConnectError, match=reason) as caught:
        open_pipe(server, tls_ca=issued.stranger)
    assert isinstance(caught.value.__cause__, ssl.SSLCertVerificationError)
    assert "UNKNOWN_CA" in str(server.outcome())  # the peer was told, too


def test_the_platform_does_not_trust_a_private_authority(
    serve: Serve, open_pipe: Open, server_tls: ssl.SSLContext
) -> None:
    server = serve(over_tls(server_tls, answer))
    with pytest.raises(ConnectError, match=r"is not trusted: .*tls_verify=False"):
        open_pipe(server, tls_ca=None)


@pytest.mark.parametrize(("host", "wrong"), [("localhost", "opend.lan"), ("127.0.0.1", "10.0.0.1")])
def test_another_name_than_the_certificates(
    host: str, wrong: str, serve: Serve, open_pipe: Open, server_tls: ssl.SSLContext
) -> None:
    server = serve(over_tls(server_tls, answer))
    with pytest.raises(ConnectError, match=f"is for another name: .*{wrong}.*; give tls_server"):
        open_pipe(server, host, tls_server_name=wrong)


def test_the_name_may_be_given(serve: Serve, open_pipe: Open, issued: Certificates) -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(issued.elsewhere)
    pipe = open_pipe(serve(over_tls(context, answer)), tls_server_name="opend.example")
    pipe.send(PING)
    pipe.session.wait_for_envelopes(1)


def test_the_opt_out_takes_any_certificate(
    serve: Serve, open_pipe: Open, issued: Certificates
) -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(issued.elsewhere)
    pipe = open_pipe(serve(over_tls(context, answer)), tls_ca=None, tls_verify=False)
    pipe.send(PING)
    pipe.session.wait_for_envelopes(1)


# Certificates of clients.


@pytest.fixture(params=[ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
def demanding(request: pytest.FixtureRequest, issued: Certificates) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(issued.certificate, issued.key)
    context.load_verify_locations(issued.authority)
    context.verify_mode = ssl.CERT_REQUIRED
    context.minimum_version = context.maximum_version = request.param
    return context


def test_a_client_shows_its_certificate(
    serve: Serve, open_pipe: Open, demanding: ssl.SSLContext, issued: Certificates
) -> None:
    server = serve(over_tls(demanding, answer))
    pipe = open_pipe(server, tls_cert=issued.client_certificate, tls_key=issued.client_key)
    pipe.send(PING)
    pipe.session.wait_for_envelopes(1)
    assert "client@opend.example" in str(server.outcome())


def test_a_client_without_the_certificate_is_refused(
    serve: Serve, open_pipe: Open, demanding: ssl.SSLContext
) -> None:
    server = serve(over_tls(demanding, answer))
    if demanding.maximum_version is ssl.TLSVersion.TLSv1_2:
        with pytest.raises(ConnectError, match="the peer says: handshake failure"):
            open_pipe(server)
    else:
        # In TLS 1.3 the client's side of the handshake is complete before the server looks.
        lost = open_pipe(server).session.wait_for_loss()
        assert isinstance(lost, ConnectionLost)
        assert "certificate required; give tls_cert" in str(lost)


# Peers that do not speak TLS.


def test_a_plain_server(serve: Serve, open_pipe: Open) -> None:
    def script(sock: socket.socket) -> None:
        sock.recv(100)
        sock.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n")

    with pytest.raises(ConnectError, match=r"^tcps://localhost:\d+ does not speak TLS"):
        open_pipe(serve(script))


def test_a_server_that_closes_in_the_handshake(serve: Serve, open_pipe: Open) -> None:
    def script(sock: socket.socket) -> None:
        sock.recv(2**16)
        sock.shutdown(socket.SHUT_WR)
        read_all(sock)

    with pytest.raises(ConnectError, match="closed the connection in the TLS handshake"):
        open_pipe(serve(script))


def test_a_server_that_resets_in_the_handshake(serve: Serve, open_pipe: Open) -> None:
    # What is unread when a socket closes makes a reset of it.
    with pytest.raises(ConnectError, match="in the TLS handshake"):
        open_pipe(serve(lambda sock: sock.recv(1)))


def test_a_server_that_hangs_in_the_handshake(serve: Serve, open_pipe: Open) -> None:
    server = serve(read_all)
    with pytest.raises(ConnectError, match=r"^no TLS handshake with .* in 0\.1 s$"):
        open_pipe(server, timeout=0.1)
    assert server.outcome()  # the connection was closed, not left behind


def test_half_a_handshake_and_silence(
    serve: Serve, open_pipe: Open, server_tls: ssl.SSLContext
) -> None:
    def script(sock: socket.socket) -> None:
        incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        tls = server_tls.wrap_bio(incoming, outgoing, server_side=True)
        incoming.write(sock.recv(2**16))
        with pytest.raises(ssl.SSLWantReadError):
            tls.do_handshake()
        sock.sendall(outgoing.read()[:-10])
        read_all(sock)

    with pytest.raises(ConnectError, match=r"^no TLS handshake with .* in 0\.2 s$"):
        open_pipe(serve(script), timeout=0.2)


def test_a_ring_ends_a_blocking_handshake(serve: Serve, issued: Certificates) -> None:
    came: queue.Queue[bytes] = queue.Queue()

    def script(sock: socket.socket) -> None:
        came.put(sock.recv(100))
        read_all(sock)

    endpoint = serve(script).endpoint()
    security = security_of(endpoint, Options(tls_ca=issued.authority))
    wakeup = Wakeup()
    opened: list[object] = []

    def open_it() -> None:
        reader = FrameLink().reader
        opened.append(open_channel(endpoint, wakeup, reader, security=security, timeout=10))

    thread = threading.Thread(target=open_it)
    thread.start()
    came.get(timeout=10)
    wakeup.ring()
    thread.join(10)
    wakeup.close()
    assert opened == [None]
