"""What all contexts are: a connection that comes back, calls over it, handlers of its pushes."""

from __future__ import annotations

import sys
import threading
from abc import abstractmethod
from functools import partial
from types import TracebackType
from typing import TYPE_CHECKING, Any, Final, Self

from futukit.errors import (
    ClientClosed,
    ConnectError,
    ConnectionLost,
    FrameError,
    FutukitError,
    HandshakeError,
    RequestTimeout,
    UsageError,
)
from futukit.futu._base import BaseMethods
from futukit.futu._enums import ContextStatus, ProtoFMT
from futukit.futu.config import SysConfig, logger
from futukit.futu.handlers import RspHandlerBase, handler_kind
from futukit.futu.outcome import RET_ERROR, RET_OK

if TYPE_CHECKING:
    from futukit import sync
    from futukit.core.client import StateChange
    from futukit.core.requests import Answer

__all__ = ["OpenContextBase"]

_RECONNECT_SECONDS: Final = 6
_LOOK_SECONDS: Final = 0.05
"""How often a call that waits for the connection looks whether it is back."""
_KEEP_SECONDS: Final = 0.2
"""How often what keeps the process alive looks whether the main thread still is."""
_FAREWELL_SECONDS: Final = 5.0
"""How long the process waits for a context that is being closed."""


class OpenContextBase(BaseMethods):
    """One connection to OpenD. Calls from many threads are fine.

    Making one waits for OpenD: a connection that is refused is tried again every
    ``reconnect_interval`` seconds, as long as it takes. Only what no waiting mends is raised at
    once. With ``is_async_connect`` the trying goes on in the background instead.

    Args:
        host: Where OpenD listens.
        port: On which port.
        is_encrypt: True encrypts (AES_CBC, needs ``SysConfig.set_init_rsa_file``), False does not,
            None does as ``SysConfig.enable_proto_encrypt`` says.
        is_async_connect: Whether to return before there is a connection.
        ai_type: What InitConnect says of the program: 0 for an ordinary one.

    Raises:
        UsageError: Encryption without a key, a key that is none, a port that cannot be.
        ConnectError: A host name that no name server knows.
        HandshakeError: OpenD refused this client, or closed while encryption was begun, as it does
            for another key; or it is no OpenD.
    """

    def __init__(
        self,
        host: str = "127.0.0.1",
        port: int = 11111,
        is_encrypt: bool | None = None,
        is_async_connect: bool = False,
        ai_type: int = 0,
    ) -> None:
        self._is_encrypt = is_encrypt
        self._url = _url(host, port)
        self._options = _options(self.is_encrypt()) | {"ai_type": ai_type}
        self._client: sync.Client | None = None
        self._handlers: dict[int, RspHandlerBase] = {}
        self._receiving = True
        self._closed = threading.Event()
        self._ended = threading.Event()
        self._refusal: FutukitError | None = None
        self._keeper: threading.Thread | None = None
        self._preparing = threading.RLock()
        self._prepared_for = 0
        self._connect_timeout: float | None = None
        self._reconnect_interval: float = _RECONNECT_SECONDS
        if is_async_connect:
            connecting = threading.Thread(target=self._connect_later, name="futukit-connect")
            connecting.daemon = True
            connecting.start()
        else:
            self._connect()

    # Calls.

    def _call(self, proto_id: int, request: Any) -> Any:
        return self._ready_client().call(proto_id, request)

    def _respond(self, proto_id: int, request: Any) -> Any:
        """Like ``_call``, but the whole Response."""
        return self._ready_client().call_response(proto_id, request)

    def _call_body(self, proto_id: int, request: Any) -> Answer:
        """Like ``_call``, but the answer as it came, whatever it says."""
        return self._ready_client().call_body(proto_id, request)

    def _ready_client(self) -> sync.Client:
        """The client, connected and prepared; waits for the connection where there is none."""
        waited = 0.0
        while True:
            client = self._client
            if client is not None and _is_ready(client):
                self._prepare(client)
                return client
            if self._connect_timeout is not None and waited >= self._connect_timeout:
                raise RequestTimeout(f"no connection within {self._connect_timeout} s")
            # A push handler may be who waits, in the very thread that tells of states: it has
            # to look for itself.
            if self._closed.wait(_LOOK_SECONDS):
                reason = "" if self._refusal is None else f": {self._refusal}"
                raise ClientClosed(f"the context is closed{reason}") from self._refusal
            waited += _LOOK_SECONDS

    def _prepare(self, client: sync.Client) -> None:
        """Once for each connection, before any other call on it."""
        with self._preparing:
            if client.connection_id != self._prepared_for:
                self._prepared_for = client.connection_id
                self._on_ready()

    @abstractmethod
    def _on_ready(self) -> None:
        """There is a new connection: send what has to come first. Errors are for the log."""

    # Connections.

    def _connect(self) -> None:
        """Try until there is a connection, or the context is closed."""
        # Not before somebody connects: the client is most of what the face has to import.
        import socket

        from futukit import sync

        while not self._closed.is_set():
            try:
                client = sync.connect(self._url, **self._options)
            except (ConnectError, ConnectionLost) as error:
                if isinstance(error.__cause__, socket.gaierror):
                    raise
                if self.is_encrypt() and isinstance(error.__cause__, ConnectionLost):
                    reason = "the peer closed during InitConnect: is it the same RSA key there?"
                    raise HandshakeError(reason) from error
                logger.warning(
                    "no connection, next try in %s s: %s", self._reconnect_interval, error
                )
                self._closed.wait(self._reconnect_interval)
            except FrameError as error:
                raise HandshakeError(f"{self._url} is no OpenD: {error}") from error
            else:
                self._adopt(client)
                return

    def _connect_later(self) -> None:
        try:
            self._connect()
        except FutukitError as error:
            logger.exception("there will be no connection")
            self._refusal = error
            self.close()

    def _adopt(self, client: sync.Client) -> None:
        with self._preparing:
            # First the handlers: who sees that there is a connection may count on them.
            for proto_id in self._handlers:
                self._listen(client, proto_id)
            self._client = client
            if self._closed.is_set():
                client.close()
                return
            client.on_state(self._changed)
        self._prepare(client)

    def _changed(self, change: StateChange) -> None:
        if change.state.value == "ready" and self._client is not None:
            self._prepare(self._client)
        elif change.state.value == "lost":
            logger.warning("the connection is lost: %s", change.reason)

    # Handlers.

    def set_handler(self, handler: RspHandlerBase) -> int:
        """Have a handler called with its kind of pushes, in place of the one before.

        Returns RET_OK, or RET_ERROR for an object that derives from none of the bases and for a
        context that is closed.
        """
        proto_id = handler_kind(handler)
        if proto_id is None or self._closed.is_set():
            return RET_ERROR
        with self._preparing:
            known = proto_id in self._handlers
            self._handlers[proto_id] = handler
            if not known and self._client is not None:
                self._listen(self._client, proto_id)
            if self._keeper is None and not SysConfig.get_all_thread_daemon():
                # Not a daemon: the process lives until it has waited for the end.
                self._keeper = threading.Thread(target=self._keep, name="futukit-keeper")
                self._keeper.start()
        return RET_OK

    def _keep(self) -> None:
        """Last until the context is closed, or Ctrl-C has ended the main thread."""
        main = threading.main_thread()
        while not self._closed.wait(_KEEP_SECONDS):
            last = getattr(sys, "last_type", None)
            if not main.is_alive() and last is not None and issubclass(last, KeyboardInterrupt):
                return
        # A handler that writes while the interpreter ends would bring the process down.
        self._ended.wait(_FAREWELL_SECONDS)

    def _listen(self, client: sync.Client, proto_id: int) -> None:
        from futukit.messages import registry

        if proto_id in registry.PUSH_IDS:
            response = registry.response_class(proto_id)
            client.on(response, partial(self._pushed, proto_id, response))

    def _pushed(self, proto_id: int, response: Any, s2c: Any) -> None:
        if self._receiving:
            self._handlers[proto_id].on_recv_rsp(response(ret_type=_SUCCEED, s2c=s2c))

    def start(self) -> None:
        """Let handlers have pushes again, after ``stop``."""
        self._receiving = True

    def stop(self) -> None:
        """Keep pushes from handlers; those that arrive are dropped."""
        self._receiving = False

    # Facts.

    def get_sync_conn_id(self) -> int:
        """OpenD's id of the present connection; 0 while there is none."""
        client = self._client
        if client is None or not _is_ready(client):
            return 0
        return client.connection_id

    def get_async_conn_id(self) -> int:
        """The same as ``get_sync_conn_id``."""
        return self.get_sync_conn_id()

    def get_login_user_id(self) -> int:
        """The user that OpenD is logged in as; 0 while there is no connection."""
        client = self._client
        return 0 if client is None else client.login_user_id

    def is_encrypt(self) -> bool:
        """Whether this context encrypts."""
        return SysConfig.is_proto_encrypt() if self._is_encrypt is None else bool(self._is_encrypt)

    @property
    def status(self) -> Any:
        """Where the connection is, a value of ContextStatus."""
        if self._closed.is_set():
            return ContextStatus.CLOSED
        if self._client is None:
            return ContextStatus.CONNECTING
        ready = _is_ready(self._client)
        return ContextStatus.READY if ready else ContextStatus.WAIT_RECONNECT

    @property
    def reconnect_interval(self) -> float:
        """Seconds between two tries of the first connection."""
        return self._reconnect_interval

    @reconnect_interval.setter
    def reconnect_interval(self, value: float) -> None:
        self._reconnect_interval = value

    def set_sync_query_connect_timeout(self, timeout: float | None) -> None:
        """How many seconds a call waits for the connection; None, the default: for ever."""
        self._connect_timeout = timeout

    # The end.

    def close(self) -> None:
        """Close the connection. Calls under way fail, handlers are called no more."""
        self._closed.set()
        try:
            if self._client is not None:
                self._client.close()
        finally:
            self._ended.set()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self._url} {self.status}>"


_SUCCEED: Final[Any] = 0


def _is_ready(client: sync.Client) -> bool:
    return client.state.value == "ready"


def _url(host: str, port: int) -> str:
    if not isinstance(host, str) or not host:
        raise UsageError(f"host is a text, not {host!r}")
    if isinstance(port, bool) or not isinstance(port, int):
        raise UsageError(f"port is a number, not {port!r}")
    bracketed = f"[{host}]" if ":" in host and not host.startswith("[") else host
    return f"tcp://{bracketed}:{port}"


def _options(encrypt: bool) -> dict[str, Any]:
    """The client's options, as SysConfig has them now."""
    options: dict[str, Any] = {
        "client_id": str(SysConfig.get_client_id()),
        "client_version": SysConfig.get_client_ver(),
        "body": "json" if SysConfig.get_proto_fmt() == ProtoFMT.Json else "protobuf",
        "encryption": "aes_cbc" if encrypt else "none",
    }
    if SysConfig.INIT_RSA_FILE:
        options["rsa_key"] = SysConfig.INIT_RSA_FILE
    elif encrypt:
        raise UsageError("encryption needs a key file: call SysConfig.set_init_rsa_file")
    return options
