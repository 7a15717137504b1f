"""Raw WebSocket bytes for the tests of the links: built by hand, or by the library itself."""

from __future__ import annotations

from websockets.client import ClientProtocol
from websockets.frames import Frame, Opcode
from websockets.http11 import Request, Response
from websockets.server import ServerProtocol
from websockets.uri import WebSocketURI

from futukit._native.frame import Envelope
from futukit.core.links import ByteLink, Sink
from futukit.core.links.refused import Refused
from futukit.core.links.websocket_messages import Message, WebSocket, client_socket, server_socket

HOST = "opend.lan"
PORT = 33333
CAP = 1000

ACCEPTED = b"HTTP/1.1 101 Switching Protocols\r\n"


def frame(
    data: bytes, opcode: Opcode = Opcode.BINARY, *, fin: bool = True, masked: bool = False
) -> bytes:
    return Frame(opcode, data, fin).serialize(mask=masked)


class TheirServer:
    """The library's server, and what it has got."""

    def __init__(self) -> None:
        self.protocol = ServerProtocol(max_size=None)
        self.request: Request | None = None
        self.frames: list[Frame] = []

    def answer(self, data: bytes) -> bytes:
        """Take bytes; what the server writes to that."""
        if data:
            self.protocol.receive_data(data)
        for event in self.protocol.events_received():
            if isinstance(event, Request):
                self.request = event
                self.protocol.send_response(self.protocol.accept(event))
            elif isinstance(event, Frame):
                self.frames.append(event)
        return b"".join(self.protocol.data_to_send())


class TheirClient:
    """The library's client, and what it has got."""

    def __init__(self) -> None:
        self.protocol = ClientProtocol(WebSocketURI(False, HOST, PORT, "/", ""), max_size=None)
        self.response: Response | None = None
        self.frames: list[Frame] = []

    def opening(self) -> bytes:
        self.protocol.send_request(self.protocol.connect())
        return b"".join(self.protocol.data_to_send())

    def answer(self, data: bytes) -> bytes:
        """Take bytes; what the client writes to that."""
        if data:
            self.protocol.receive_data(data)
        for event in self.protocol.events_received():
            if isinstance(event, Response):
                self.response = event
            elif isinstance(event, Frame):
                self.frames.append(event)
        return b"".join(self.protocol.data_to_send())

    def binary(self, message: bytes) -> bytes:
        self.protocol.send_binary(message)
        return b"".join(self.protocol.data_to_send())


class End:
    """One of our WebSockets with the messages that it delivered."""

    def __init__(self, socket: WebSocket) -> None:
        self.socket = socket
        self.messages: list[bytes] = []

    def feed(self, data: bytes) -> None:
        self.socket.feed(data, self.take)

    def take(self, message: Message) -> None:
        self.messages.append(bytes(message))


def our_client(cap: int = CAP) -> End:
    return End(client_socket(HOST, PORT, secure=False, max_message_bytes=cap))


def our_server(cap: int = CAP, *, local_origins: bool = False) -> End:
    return End(server_socket(max_message_bytes=cap, local_origins=local_origins))


def open_client(cap: int = CAP) -> End:
    """Our client behind its opening handshake."""
    end = our_client(cap)
    end.socket.start()
    end.feed(TheirServer().answer(end.socket.take()))
    end.socket.check()
    return end


def open_server(cap: int = CAP) -> End:
    """Our server behind its opening handshake."""
    end = our_server(cap)
    end.feed(TheirClient().opening())
    assert end.socket.take().startswith(ACCEPTED)
    return end


def closed_with(data: bytes, *, masked: bool = False) -> int:
    """The code of the close frame that ``data`` is."""
    start = 6 if masked else 2
    assert data[0] == 0x88
    code = data[start : start + 2]
    if masked:
        code = bytes(byte ^ mask for byte, mask in zip(code, data[2:4], strict=True))
    return int.from_bytes(code, "big")


def give(link: ByteLink, data: bytes) -> None:
    """Write bytes into a link's reader as a channel does."""
    while data:
        with link.reader.get_buffer() as buffer:
            part = data[: len(buffer)]
            buffer[: len(part)] = part
        link.reader.buffer_updated(len(part))
        data = data[len(part) :]


def routed(link: ByteLink, sinks: dict[int, Sink] | None = None) -> list[Envelope | Refused]:
    """All packets of a link that no sink takes."""
    return list(iter(lambda: link.reader.route(sinks or {}), None))


def settle(client: ByteLink, server: ByteLink) -> None:
    """Carry to and fro what two links write of their own accord, until both are silent."""
    while (asked := client.take()) or (answered := server.take()):
        if asked:
            give(server, asked)
        else:
            give(client, answered)


def connect(client: ByteLink, server: ByteLink) -> None:
    """Let two links shake hands."""
    client.start()
    settle(client, server)
