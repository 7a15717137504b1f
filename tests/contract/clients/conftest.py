"""Every test here runs over all faces and transports; a new transport joins in ``TRANSPORTS``."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from tests.contract.clients.faces import AsyncioFace, BlockingFace
from tests.contract.clients.opend import FakeOpenD

TRANSPORTS = [FakeOpenD]
FAST_RETRY = {"reconnect_delay": 0.01, "reconnect_max_delay": 0.02}

Connect = Callable[..., Any]


@pytest.fixture(params=TRANSPORTS, ids=lambda transport: transport.scheme)
def opend(request: pytest.FixtureRequest) -> Iterator[FakeOpenD]:
    server: FakeOpenD = request.param()
    yield server
    server.close()


@pytest.fixture(params=[AsyncioFace, BlockingFace], ids=lambda face: face.name)
def face(request: pytest.FixtureRequest) -> Iterator[Any]:
    driven = request.param()
    yield driven
    driven.close()


@pytest.fixture
def connect(face: Any) -> Iterator[Connect]:
    """Connects with fast retries, and closes what it made."""
    clients = []

    def make(url: str, **options: Any) -> Any:
        client = face.connect(url, **{**FAST_RETRY, **options})
        clients.append(client)
        return client

    yield make
    for client in clients:
        client.close()
