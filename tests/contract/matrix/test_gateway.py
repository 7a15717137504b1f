"""The contract through a gateway: the same answers and pushes as from the OpenD behind it."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Coroutine, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from futukit.endpoint import Combination, combinations
from futukit.gateway import Gateway, GatewayPorts, GatewaySettings
from futukit.gateway.keys import SCOPES, KeyStore, make_key
from tests.contract.matrix.conftest import Doors, name_of
from tests.contract.matrix.test_matrix import (
    test_a_notice_comes_typed,
    test_an_answer_is_the_same_everywhere,
    test_an_error_is_the_same_everywhere,
    test_it_connects_and_says_what_is_in_force,
    test_large_messages_both_ways,
    test_pushes_come_in_order,
)
from tests.support.certificates import Certificates
from tests.support.rsa import rsa_pem

# What the module runs: the tests of the matrix with the clients below.
__all__ = [
    "test_a_notice_comes_typed",
    "test_an_answer_is_the_same_everywhere",
    "test_an_error_is_the_same_everywhere",
    "test_it_connects_and_says_what_is_in_force",
    "test_large_messages_both_ways",
    "test_pushes_come_in_order",
]

# The other ciphers are the server session's, and the matrix has them without a gateway.
ENCRYPTIONS = ("none", "aes_cbc")


class Gateways(NamedTuple):
    """A gateway without and one with TLS, and the key of both."""

    plain: Gateway
    secure: Gateway
    key: str

    def url(self, combination: Combination) -> str:
        gateway = self.secure if combination.scheme.tls else self.plain
        return gateway.url(combination.scheme.name)


@pytest.fixture(scope="module")
def gateways(
    doors: Doors, issued: Certificates, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Gateways]:
    keys = Path(tmp_path_factory.mktemp("keys")) / "keys.json"
    key, text = make_key("all", SCOPES)
    KeyStore(keys).add(key)
    common: dict[str, Any] = {"keys": str(keys), "rsa_key": rsa_pem()}
    plain = Gateway(
        GatewaySettings(upstream=doors.plain.url, **common),
        GatewayPorts(grpc=0, tcp=0, ws=0),
    )
    upstream = f"{doors.secure.urls['tcps']}?tls_ca={doors.authority}"
    tls: dict[str, Any] = {"tls_cert": issued.certificate, "tls_key": issued.key}
    secure = Gateway(
        GatewaySettings(upstream=upstream, **common, **tls),
        GatewayPorts(grpc=0, tcps=0, ws=0),
    )
    with serving(plain, secure):
        yield Gateways(plain, secure, text)


@contextmanager
def serving(*gateways: Gateway) -> Iterator[None]:
    """Serve in a thread: the blocking face waits in this one."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, daemon=True)
    thread.start()

    def wait_for(work: Coroutine[Any, Any, None]) -> None:
        asyncio.run_coroutine_threadsafe(work, loop).result(10)

    try:
        for gateway in gateways:
            wait_for(gateway.start())
        yield
        for gateway in gateways:
            wait_for(gateway.stop())
    finally:
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()


@pytest.fixture(
    params=[
        found
        for found in combinations()
        if found.refusal is None and found.encryption in ENCRYPTIONS
    ],
    ids=name_of,
)
def combination(request: pytest.FixtureRequest) -> Combination:
    found: Combination = request.param
    return found


@pytest.fixture
def client(gateways: Gateways, doors: Doors, combination: Combination, face: Any) -> Iterator[Any]:
    """A client of the gateway over the combination, with the key where its dialect has it."""
    options = doors.options(combination)
    where = {"grpc": "api_key", "script": "ws_key"}.get(combination.scheme.dialect, "client_id")
    connected = face.connect(gateways.url(combination), **{**options, where: gateways.key})
    # Behind an answer of OpenD, what was pushed before is through the gateway as well.
    connected.system.get_global_state()
    yield connected
    connected.close()
