"""How the connections of one client are made: URL and options, read once and refused at once."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from futukit.core.keys import load_rsa_key
from futukit.core.links import Link
from futukit.core.links.frames import FrameLink
from futukit.core.secrecy import ClientSecrecy
from futukit.core.session.greeting import ConnectGreeting, Greeting, ScriptGreeting
from futukit.endpoint import SCHEMES, parse_endpoint
from futukit.messages import init_connect
from futukit.messages.common import ProtoFmt
from futukit.options import options_for

__all__ = ["Wiring"]

_FORMATS: Final = {"protobuf": ProtoFmt.PROTOBUF, "json": ProtoFmt.JSON}


class Wiring:
    """What a client knows about its connections before there is one.

    Raises UsageError for a URL, an option, a combination or a key file that cannot be.
    """

    def __init__(self, url: str, keywords: Mapping[str, Any]) -> None:
        self.endpoint = parse_endpoint(url)
        self.options = options_for(self.endpoint, keywords)
        self.scheme = SCHEMES[self.endpoint.scheme]
        self._key = load_rsa_key(self.options.rsa_key) if self.options.rsa_key else None

    @property
    def body_format(self) -> int:
        """The body format (Common.ProtoFmt) of requests and answers."""
        return int(_FORMATS[self.options.body])

    def link(self) -> Link:
        """The link of one new connection."""
        if self.scheme.dialect == "frames":
            return FrameLink(self.options.max_body_bytes)
        if self.scheme.dialect == "grpc":
            from futukit.core.links.grpc import GrpcLink

            return GrpcLink(self.options.max_body_bytes)
        from futukit.core.links.websocket import FramedWebSocketLink, ScriptLink

        kind = ScriptLink if self.scheme.dialect == "script" else FramedWebSocketLink
        return kind(
            self.endpoint.host,
            self.endpoint.port,
            secure=self.scheme.tls,
            max_body_bytes=self.options.max_body_bytes,
        )

    def greeting(self) -> Greeting:
        """How one new connection begins."""
        options = self.options
        if self.scheme.dialect == "grpc":
            from futukit.core.session.greeting_grpc import GrpcGreeting

            return GrpcGreeting()
        if self.scheme.dialect == "script":
            return ScriptGreeting(options.client_id, options.ws_key)
        secrecy = ClientSecrecy(options.encryption or "none", self._key)
        hello = init_connect.C2S(
            client_ver=options.client_version,
            client_id=options.client_id,
            recv_notify=options.receive_notify,
            packet_enc_algo=secrecy.asked,
            push_proto_fmt=_FORMATS[options.push_format or options.body],
            programming_language="Python",
            ai_type=options.ai_type,
        )
        return ConnectGreeting(hello, secrecy)
