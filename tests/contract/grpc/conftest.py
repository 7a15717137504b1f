"""Both faces against a gRPC server that does what it is told."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from tests.contract.clients.faces import AsyncioFace, BlockingFace
from tests.contract.grpc.server import FakeServer
from tests.support.certificates import Certificates, certificates

FAST_RETRY = {"reconnect_delay": 0.01, "reconnect_max_delay": 0.02}

Connect = Callable[..., Any]


@pytest.fixture
def server() -> Iterator[FakeServer]:
    serving = FakeServer()
    yield serving
    serving.close()


@pytest.fixture(params=[AsyncioFace, BlockingFace], ids=lambda face: face.name)
def connect(request: pytest.FixtureRequest) -> Iterator[Connect]:
    """Connects with fast retries, and closes what it made."""
    face = request.param()
    clients = []

    def make(url: str, **options: Any) -> Any:
        client = face.connect(url, **{**FAST_RETRY, **options})
        clients.append(client)
        return client

    yield make
    for client in clients:
        client.close()
    face.close()


@pytest.fixture(scope="session")
def issued(tmp_path_factory: pytest.TempPathFactory) -> Certificates:
    return certificates(tmp_path_factory.mktemp("certificates"))
