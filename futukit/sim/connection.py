"""One client of the simulated OpenD over TCP or a WebSocket.

What the client is about is the OpenD's business. Faults strike here, between the packed frame and
the socket.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from futukit._native.frame import Envelope
from futukit.channels.serving import ServedConnection
from futukit.core.links import ByteLink
from futukit.core.session import ServerSession
from futukit.core.session.machine import INIT_CONNECT
from futukit.messages import init_connect
from futukit.sim.faults import Corruption, Fault, spoil, spoil_message
from futukit.sim.peer import Peer

if TYPE_CHECKING:
    from futukit.sim.server import Server

__all__ = ["Connection"]


class Connection(ServedConnection):
    """One client."""

    def __init__(self, server: Server, link: ByteLink, *, in_web_socket: bool) -> None:
        super().__init__(server, link)
        self._server = server
        self._in_web_socket = in_web_socket
        self._opend = server.opend
        self._peer: Peer | None = None
        self._welcome: init_connect.S2C

    def open_session(self) -> ServerSession:
        """A session with a connection id of its own."""
        self._welcome = self._opend.welcome()
        return self._server.new_session(self._welcome, self.link, self._server.refusal())

    def introduced(self, hello: init_connect.C2S) -> None:
        """The client is one of the OpenD's from now on."""
        self._peer = self._opend.join(self._welcome, hello, self)

    def take(self, envelope: Envelope) -> None:
        """Take one packet, after a look whether a fault refuses the client."""
        if envelope.proto_id == INIT_CONNECT and self._peer is None:
            self._refuse_by_fault()
        super().take(envelope)

    def requested(self, envelope: Envelope) -> None:
        """Answer, and do what the handler wants done afterwards."""
        peer = self._peer
        if peer is None:
            return
        response = self._opend.answer(peer, envelope.proto_id, envelope.body, envelope.body_format)
        self.answer(envelope, response)
        afterwards, peer.after_reply = peer.after_reply, []
        for callback in afterwards:
            callback()

    def gone(self) -> None:
        """The OpenD has one client less."""
        self._opend.forget(self._welcome.conn_id)

    def send_frame(self, proto_id: int, frame: bytes) -> None:
        """Write a frame, or what a fault makes of it."""
        fault = self._opend.faults.take(self._welcome.conn_id, proto_id)
        if fault is None:
            self.write(frame)
        else:
            self._strike(fault, frame)

    def _refuse_by_fault(self) -> None:
        fault = self._opend.faults.take_refusal(self._welcome.conn_id, INIT_CONNECT)
        if fault is not None:
            self.session = self._server.new_session(self._welcome, self.link, fault.message)

    def _strike(self, fault: Fault, frame: bytes) -> None:
        if fault.kind == "delay":
            due = self._opend.now + fault.seconds
            self._opend.timetable.at(due, lambda: self.write(frame))
        elif fault.kind == "cut":
            self.write(frame[: fault.at_byte])
            self.close()
        elif fault.kind == "corrupt":
            self.write(self._spoiled(frame, fault.what))

    def _spoiled(self, frame: bytes, what: Corruption) -> bytes:
        if self._in_web_socket:
            return spoil_message(frame, what, self.link.scripted)
        return spoil(frame, what)
