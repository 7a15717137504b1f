"""A gRPC server that does what a test tells it, with plain grpcio and no simulator behind it."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import grpc

from futukit import codec
from futukit.messages import common, get_global_state, init_connect, registry
from futukit.messages.futu_service import REQUEST, SUBSCRIBE_PUSH, FutuRequest, FutuResponse
from futukit.messages.qot_common import QotMarketState

READY = get_global_state.S2C(
    market_hk=QotMarketState.NONE,
    market_us=QotMarketState.NONE,
    market_sh=QotMarketState.NONE,
    market_sz=QotMarketState.NONE,
    market_hk_future=QotMarketState.NONE,
    qot_logined=True,
    trd_logined=True,
    server_ver=1011,
    server_build_no=7108,
    time=0,
)

Reply = Callable[[FutuRequest, Any], bytes]


def response(proto_id: int, message: Any) -> bytes:
    """A FutuResponse with a whole Response in it."""
    ret_type = int(message.ret_type)
    body = codec.encode(message)
    return codec.encode(FutuResponse(ret_type=ret_type, proto_id=proto_id, body=body))


def fine(asked: FutuRequest, context: Any) -> bytes:
    """Success: the global state, an empty S2C where there can be one, else none."""
    del context
    assert asked.proto_id is not None
    if asked.proto_id == 1002:
        state = get_global_state.Response(ret_type=common.RetType.SUCCEED, s2c=READY)
        return response(1002, state)
    if asked.proto_id not in registry.REQUEST_IDS or registry.row(asked.proto_id).module is None:
        return codec.encode(FutuResponse(proto_id=asked.proto_id, body=asked.body))
    done = init_connect.Response(ret_type=common.RetType.SUCCEED)
    return response(asked.proto_id, done)


class FakeServer:
    """Serves on loopback until closed. ``replies`` are by proto id; others get ``fine``.

    ``metadata`` is of the last call.
    """

    def __init__(self, port: int = 0) -> None:
        self.replies: dict[int, Reply] = {}
        self.asked: queue.Queue[FutuRequest] = queue.Queue()
        self._streams: list[queue.Queue[bytes | None]] = []
        self._opened = threading.Condition()
        self.metadata: dict[str, Any] = {}
        self.stream: Callable[[Any], Iterator[bytes]] = self._stream
        self.hold = threading.Event()
        self._server = grpc.server(ThreadPoolExecutor(16), options=[("grpc.so_reuseport", 0)])
        service, _, request = REQUEST[1:].partition("/")
        handlers = {
            request: grpc.unary_unary_rpc_method_handler(self._request),
            SUBSCRIBE_PUSH.rpartition("/")[2]: grpc.unary_stream_rpc_method_handler(
                lambda data, context: self.stream(context)
            ),
        }
        self._server.add_generic_rpc_handlers(
            (grpc.method_handlers_generic_handler(service, handlers),)
        )
        self.port = self._server.add_insecure_port(f"127.0.0.1:{port}")
        self._server.start()

    @property
    def url(self) -> str:
        return f"grpc://127.0.0.1:{self.port}"

    def silent(self, asked: FutuRequest, context: Any) -> bytes:
        """A reply that only comes when the server goes."""
        self.hold.wait()
        return fine(asked, context)

    def push(self, event: bytes | None) -> None:
        """Send an event on every stream, once there is one; None ends them."""
        with self._opened:
            assert self._opened.wait_for(lambda: self._streams, timeout=5)
            for stream in self._streams:
                stream.put(event)

    def close(self) -> None:
        stopped = self._server.stop(None)
        self.hold.set()
        stopped.wait()

    def _request(self, data: bytes, context: Any) -> bytes:
        self.metadata = dict(context.invocation_metadata())
        asked = codec.decode(FutuRequest, data)
        self.asked.put(asked)
        return self.replies.get(asked.proto_id or 0, fine)(asked, context)

    def _stream(self, context: Any) -> Iterator[bytes]:
        events: queue.Queue[bytes | None] = queue.Queue()
        with self._opened:
            self._streams.append(events)
            self._opened.notify_all()
        context.add_callback(lambda: events.put(None))
        context.send_initial_metadata(())
        while (event := events.get()) is not None:
            yield event


def refusing(status: str, text: str = "because", *trailing: tuple[str, str]) -> Reply:
    """A reply that is a status instead of an answer."""

    def refuse(asked: FutuRequest, context: Any) -> bytes:
        del asked
        context.set_trailing_metadata(trailing)
        context.abort(grpc.StatusCode[status], text)
        raise AssertionError

    return refuse
