"""Certificates, and the two faces that every test of a channel runs with."""

from __future__ import annotations

import ssl
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from futukit.channels.tls import server_context
from futukit.options import parse_options
from tests.support.certificates import Certificates, certificates
from tests.unit.channels.pipes import AsyncioPipe, BlockingPipe, Pipe
from tests.unit.channels.servers import Script, Server

Open = Callable[..., Pipe]
Serve = Callable[[Script], Server]


@pytest.fixture(scope="session")
def issued(tmp_path_factory: pytest.TempPathFactory) -> Certificates:
    return certificates(Path(tmp_path_factory.mktemp("certificates")))


@pytest.fixture(scope="session")
def server_tls(issued: Certificates) -> ssl.SSLContext:
    return server_context(issued.certificate, issued.key)


@pytest.fixture
def serve() -> Iterator[Serve]:
    with ExitStack() as stack:
        yield lambda script: stack.enter_context(Server(script))


@pytest.fixture(params=[AsyncioPipe, BlockingPipe], ids=["asyncio", "blocking"])
def open_pipe(request: pytest.FixtureRequest, issued: Certificates) -> Iterator[Open]:
    """Opens a channel to a server; trusts the test's authority if not told otherwise."""
    with ExitStack() as stack:

        def open_pipe(
            server: Server,
            host: str = "localhost",
            *,
            scheme: str = "tcps",
            timeout: float = 5.0,
            **options: object,
        ) -> Pipe:
            if scheme == "tcps":
                options = {"tls_ca": issued.authority, **options}
            pipe: Pipe = request.param()
            stack.callback(pipe.close)
            pipe.open(server.endpoint(host, scheme), parse_options({}, options), timeout)
            return pipe

        yield open_pipe
