"""Links over a WebSocket: a frame per message, or the packets of the JavaScript SDK.

The framed dialect carries whatever frames carry: JSON bodies and ciphers too. The other one has
protobuf bodies in plain, and TLS below it where that matters.
"""

from __future__ import annotations

from typing import Any, Final, Literal, TypeAlias

from futukit import codec
from futukit._native.frame import HEADER_BYTES, Envelope
from futukit.core.links import Opener, Sealer, Sink
from futukit.core.links.frames import FrameLink
from futukit.core.links.refused import Refused
from futukit.core.links.script import (
    ClientPackets,
    ScriptInbox,
    ServerPackets,
    check_protobuf,
    protobuf_body,
)
from futukit.core.links.script_header import FROM_SERVER_BYTES, SIGN
from futukit.core.links.websocket_messages import (
    Message,
    WebSocket,
    client_socket,
    server_socket,
)
from futukit.core.links.websocket_reader import MAGIC, FramedInbox, Inbox, WebSocketReader
from futukit.errors import BadMagic, LocalProtocolError, UsageError

__all__ = ["FramedWebSocketLink", "ScriptLink", "ServerWebSocketLink"]

_Dialect: TypeAlias = Literal["framed", "script"]

_PROTOBUF: Final = 0
_LONGEST_HEADER: Final = max(HEADER_BYTES, FROM_SERVER_BYTES)


class _WebSocketLink:
    """What all of them share: the opening, the end, and what the WebSocket says itself.

    Not to be used from two threads at once: reading and packing write to the same place.
    """

    def __init__(self, socket: WebSocket, inbox: Inbox) -> None:
        self._socket = socket
        self.reader = WebSocketReader(socket, inbox)

    def start(self) -> None:
        """Client: ask the server for a WebSocket."""
        self._socket.start()

    def abandon(self, serial: int, /) -> None:
        """Nothing: an answer that nobody waits for is dropped when it comes."""
        del serial

    def take(self) -> bytes:
        """Handshakes, answers to pings, close frames, and packets that waited for the opening."""
        return self._socket.take()

    def finish(self) -> bytes:
        """A close frame; none if the WebSocket is not open."""
        return self._socket.finish()


class FramedWebSocketLink(_WebSocketLink):
    """The client's end of the framed dialect. ``secure`` says whether TLS is below."""

    scripted = False

    def __init__(
        self,
        host: str,
        port: int,
        max_body_bytes: int = codec.MAX_BODY_BYTES,
        *,
        secure: bool = False,
    ) -> None:
        self._frames = FrameLink(max_body_bytes)
        socket = client_socket(
            host, port, secure=secure, max_message_bytes=HEADER_BYTES + max_body_bytes
        )
        super().__init__(socket, FramedInbox(self._frames.reader))

    @property
    def sealer(self) -> Sealer:
        """What encrypts the bodies that go out."""
        return self._frames.sealer

    @sealer.setter
    def sealer(self, sealer: Sealer) -> None:
        self._frames.sealer = sealer

    @property
    def opener(self) -> Opener:
        """What decrypts the bodies that arrive."""
        return self._frames.opener

    @opener.setter
    def opener(self, opener: Opener) -> None:
        self._frames.opener = opener

    def message(
        self, proto_id: int, serial: int, message: Any, body_format: int = _PROTOBUF, /
    ) -> bytes:
        """Pack a message; no bytes while the WebSocket is still opening."""
        return self._socket.send(self._frames.message(proto_id, serial, message, body_format))

    def body(
        self, proto_id: int, serial: int, body: bytes, body_format: int = _PROTOBUF, /
    ) -> bytes:
        """Pack the plain bytes of a body."""
        return self._socket.send(self._frames.body(proto_id, serial, body, body_format))

    def failure(self, proto_id: int, serial: int, error: int, text: str, /) -> bytes:
        """Nothing: an answer in frames carries its error in the body."""
        return self._frames.failure(proto_id, serial, error, text)

    def ping(self) -> None:
        """None: the session sends KeepAlive."""


class ScriptLink(_WebSocketLink):
    """The client's end of the JavaScript SDK's dialect. ``secure`` says whether TLS is below."""

    scripted = True

    def __init__(
        self,
        host: str,
        port: int,
        max_body_bytes: int = codec.MAX_BODY_BYTES,
        *,
        secure: bool = False,
    ) -> None:
        self._packets = ClientPackets()
        socket = client_socket(
            host, port, secure=secure, max_message_bytes=FROM_SERVER_BYTES + max_body_bytes
        )
        super().__init__(socket, ScriptInbox(self._packets.unpack))

    @property
    def sealer(self) -> Sealer:
        """None: this dialect has no encryption of its own."""
        return None

    @sealer.setter
    def sealer(self, sealer: Sealer) -> None:
        _refuse_cipher(sealer)

    @property
    def opener(self) -> Opener:
        """None: this dialect has no encryption of its own."""
        return None

    @opener.setter
    def opener(self, opener: Opener) -> None:
        _refuse_cipher(opener)

    def message(
        self, proto_id: int, serial: int, message: Any, body_format: int = _PROTOBUF, /
    ) -> bytes:
        """Pack a message; no bytes while the WebSocket is still opening."""
        body = protobuf_body(message, body_format)
        return self._socket.send(self._packets.pack(proto_id, serial, body))

    def body(
        self, proto_id: int, serial: int, body: bytes, body_format: int = _PROTOBUF, /
    ) -> bytes:
        """Pack the plain bytes of a body."""
        check_protobuf(body_format)
        return self._socket.send(self._packets.pack(proto_id, serial, body))

    def failure(self, proto_id: int, serial: int, error: int, text: str, /) -> bytes:
        """Raise LocalProtocolError: a client answers nothing."""
        del serial, error, text
        raise LocalProtocolError(f"a client does not answer proto id {proto_id}")

    def ping(self) -> bytes:
        """A ping of the WebSocket: the dialect has no KeepAlive."""
        return self._socket.ping()


class ServerWebSocketLink(_WebSocketLink):
    """The server's end of both dialects: the client's first message decides which it is.

    ``dialect`` is None until then, and nothing can be packed.
    """

    def __init__(
        self, max_body_bytes: int = codec.MAX_BODY_BYTES, *, local_origins: bool = False
    ) -> None:
        self._frames = FrameLink(max_body_bytes, server=True)
        self._packets = ServerPackets(max_body_bytes)
        self._inbox = _EitherInbox(
            FramedInbox(self._frames.reader), ScriptInbox(self._packets.unpack)
        )
        socket = server_socket(
            max_message_bytes=_LONGEST_HEADER + max_body_bytes, local_origins=local_origins
        )
        super().__init__(socket, self._inbox)

    @property
    def dialect(self) -> _Dialect | None:
        """Which one this client speaks."""
        return self._inbox.dialect

    @property
    def scripted(self) -> bool:
        """Whether this client speaks the JavaScript SDK's dialect."""
        return self._inbox.dialect == "script"

    @property
    def sealer(self) -> Sealer:
        """What encrypts the bodies that go out; only the framed dialect can."""
        return self._frames.sealer

    @sealer.setter
    def sealer(self, sealer: Sealer) -> None:
        if self.scripted:
            _refuse_cipher(sealer)
        self._frames.sealer = sealer

    @property
    def opener(self) -> Opener:
        """What decrypts the bodies that arrive in the framed dialect."""
        return self._frames.opener

    @opener.setter
    def opener(self, opener: Opener) -> None:
        self._frames.opener = opener

    def message(
        self, proto_id: int, serial: int, message: Any, body_format: int = _PROTOBUF, /
    ) -> bytes:
        """Pack an answer or a push. Raises LocalProtocolError before the dialect is known."""
        if self._speaks_script(proto_id):
            packet = self._packets.pack(proto_id, serial, protobuf_body(message, body_format))
        else:
            packet = self._frames.message(proto_id, serial, message, body_format)
        return self._socket.send(packet)

    def body(
        self, proto_id: int, serial: int, body: bytes, body_format: int = _PROTOBUF, /
    ) -> bytes:
        """Pack the plain bytes of a body."""
        if self._speaks_script(proto_id):
            check_protobuf(body_format)
            packet = self._packets.pack(proto_id, serial, body)
        else:
            packet = self._frames.body(proto_id, serial, body, body_format)
        return self._socket.send(packet)

    def failure(self, proto_id: int, serial: int, error: int, text: str, /) -> bytes:
        """Pack an error in place of an answer; nothing in the framed dialect."""
        if self._speaks_script(proto_id):
            return self._socket.send(self._packets.failure(proto_id, serial, error, text))
        return self._frames.failure(proto_id, serial, error, text)

    def ping(self) -> bytes:
        """A ping of the WebSocket, for servers that want to know whether a client lives."""
        return self._socket.ping()

    def _speaks_script(self, proto_id: int) -> bool:
        if self._inbox.dialect is None:
            raise LocalProtocolError(f"cannot pack proto id {proto_id} before the first request")
        return self._inbox.dialect == "script"


class _EitherInbox:
    """Becomes the inbox of the dialect that the first message is of."""

    def __init__(self, framed: FramedInbox, script: ScriptInbox) -> None:
        self.dialect: _Dialect | None = None
        self._framed = framed
        self._script = script
        self._chosen: Inbox = framed

    def put(self, message: Message) -> None:
        """Take a message. Raises BadMagic for a first one of neither dialect."""
        if self.dialect is None:
            self._choose(message)
        self._chosen.put(message)

    def route(self, sinks: dict[int, Sink]) -> Envelope | Refused | None:
        """Give pushes to their sinks; the first packet that is for nobody."""
        return self._chosen.route(sinks)

    def clear(self) -> None:
        """Forget every packet."""
        self._chosen.clear()

    def _choose(self, message: Message) -> None:
        if message[: len(SIGN)] == SIGN:
            self.dialect, self._chosen = "script", self._script
        elif message[: len(MAGIC)] == MAGIC:
            self.dialect = "framed"
        else:
            raise BadMagic("a packet must begin with FT or with ft-v1.0")


def _refuse_cipher(cipher: object) -> None:
    if cipher is not None:
        raise UsageError("the WebSocket of the JavaScript SDK has no encryption of its own")
