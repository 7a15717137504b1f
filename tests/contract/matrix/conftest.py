"""Two simulators with all their doors, and one client per valid combination and face."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from futukit import sync
from futukit.endpoint import Combination, combinations
from futukit.sim import SimulatedOpenD
from tests.contract.clients.faces import AsyncioFace, BlockingFace
from tests.support.certificates import Certificates, certificates
from tests.support.rsa import rsa_pem

FAST_RETRY = {"reconnect_delay": 0.01, "reconnect_max_delay": 0.02}


class Doors(NamedTuple):
    """A simulator without and one with TLS: between them, every scheme."""

    plain: SimulatedOpenD
    secure: SimulatedOpenD
    authority: str

    def of(self, combination: Combination) -> SimulatedOpenD:
        return self.secure if combination.scheme.tls else self.plain

    def url(self, combination: Combination) -> str:
        return self.of(combination).urls[combination.scheme.name]

    def options(self, combination: Combination) -> dict[str, Any]:
        """What ``connect`` needs for a combination."""
        options: dict[str, Any] = {"body": combination.body, **FAST_RETRY}
        if combination.encryption != "none":
            options |= {"encryption": combination.encryption, "rsa_key": rsa_pem()}
        if combination.scheme.tls:
            options["tls_ca"] = self.authority
        if combination.scheme.dialect == "script":
            options["ws_key"] = "sesame"
        if combination.scheme.dialect == "grpc":
            options["api_key"] = "open-sesame"
        return options


def name_of(combination: Combination) -> str:
    return f"{combination.scheme.name}-{combination.body}-{combination.encryption}"


@pytest.fixture(scope="session")
def issued(tmp_path_factory: pytest.TempPathFactory) -> Certificates:
    return certificates(Path(tmp_path_factory.mktemp("certificates")))


@pytest.fixture(scope="module")
def doors(issued: Certificates) -> Iterator[Doors]:
    common: dict[str, Any] = {"seed": 1, "freeze": True, "ws": 0, "grpc": 0}
    common |= {"rsa_key": rsa_pem(), "ws_key": "sesame", "grpc_key": "open-sesame"}
    with (
        SimulatedOpenD(**common) as plain,
        SimulatedOpenD(
            port=None, tcps=0, tls_cert=issued.certificate, tls_key=issued.key, **common
        ) as secure,
    ):
        yield Doors(plain, secure, issued.authority)


@pytest.fixture(
    params=[combination for combination in combinations() if combination.refusal is None],
    ids=name_of,
)
def combination(request: pytest.FixtureRequest) -> Combination:
    found: Combination = request.param
    return found


@pytest.fixture
def opend(doors: Doors, combination: Combination) -> Iterator[SimulatedOpenD]:
    simulator = doors.of(combination)
    yield simulator
    simulator.clear_faults()


@pytest.fixture(params=[AsyncioFace, BlockingFace], ids=lambda face: face.name)
def face(request: pytest.FixtureRequest) -> Iterator[Any]:
    driven = request.param()
    yield driven
    driven.close()


@pytest.fixture
def client(doors: Doors, combination: Combination, face: Any) -> Iterator[Any]:
    """A client over the combination, on either face."""
    connected = face.connect(doors.url(combination), **doors.options(combination))
    yield connected
    connected.close()


@pytest.fixture
def reference(doors: Doors, combination: Combination) -> Iterator[sync.Client]:
    """A client of the same simulator over the plainest way there is."""
    simulator = doors.of(combination)
    scheme = "tcps" if combination.scheme.tls else "tcp"
    options = {"tls_ca": doors.authority} if combination.scheme.tls else {}
    with sync.connect(simulator.urls[scheme], **options) as connected:
        yield connected
