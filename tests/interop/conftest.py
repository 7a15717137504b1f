"""The official SDKs in processes of their own, simulators, and our own faces beside them."""

from __future__ import annotations

import os
from collections.abc import Generator, Iterator
from pathlib import Path
from typing import Any

import pytest

pytest.register_assert_rewrite(
    "tests.interop.columns",
    "tests.interop.faces",
    "tests.interop.official",
    "tests.interop.script",
)

from futukit.sim import SimulatedOpenD  # noqa: E402
from tests.interop.modes import MODES, Mode  # noqa: E402
from tests.interop.official import Official, OfficialSDK  # noqa: E402
from tests.interop.script import KEY, Script, ScriptSDK  # noqa: E402
from tests.support.certificates import Certificates, certificates  # noqa: E402
from tests.support.rsa import rsa_pem  # noqa: E402


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "every_mode: runs in every mode of the Python SDK")


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Tests in the first mode only, unless they are marked."""
    if "mode" in metafunc.fixturenames:
        every = metafunc.definition.get_closest_marker("every_mode") is not None
        modes = MODES if every else MODES[:1]
        metafunc.parametrize("mode", modes, ids=[mode.name for mode in modes], scope="session")


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport() -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """With ``FUTUKIT_INTEROP=required`` a skipped test is a failed one."""
    report = yield
    if report.skipped and os.environ.get("FUTUKIT_INTEROP") == "required":
        report.outcome = "failed"
        report.longrepr = f"{report.nodeid} is required, but was skipped: {report.longrepr}"
    return report


@pytest.fixture(scope="session")
def key_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A key as the Python SDK takes it: 1024 bits, PKCS#1."""
    path = tmp_path_factory.mktemp("keys") / "rsa.pem"
    path.write_text(rsa_pem(1024), encoding="utf-8")
    return path


@pytest.fixture(scope="session")
def sdk(
    mode: Mode, key_file: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[OfficialSDK]:
    """A process with the Python SDK; every test makes contexts of its own in it."""
    with OfficialSDK(tmp_path_factory.mktemp("official-home"), mode, key_file) as running:
        yield running


@pytest.fixture
def sim(mode: Mode, key_file: Path) -> Iterator[SimulatedOpenD]:
    """A frozen simulator."""
    with SimulatedOpenD(seed=1, freeze=True, **mode.simulator(key_file)) as running:
        yield running


@pytest.fixture
def official(sdk: OfficialSDK, sim: SimulatedOpenD) -> Iterator[Official]:
    """A quote context of the Python SDK on the frozen simulator."""
    context = sdk.connect(sim.port)
    yield context
    context.close()


@pytest.fixture(scope="session")
def issued(tmp_path_factory: pytest.TempPathFactory) -> Certificates:
    """A certificate for loopback, and the authority that vouches for it."""
    return certificates(tmp_path_factory.mktemp("certificates"))


@pytest.fixture(scope="session")
def script_sdk(
    issued: Certificates, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[ScriptSDK]:
    """A process with the JavaScript SDK, which trusts our authority."""
    with ScriptSDK(tmp_path_factory.mktemp("script-home"), Path(issued.authority)) as running:
        yield running


@pytest.fixture(params=["ws", "wss"])
def script_sim(request: pytest.FixtureRequest, issued: Certificates) -> Iterator[SimulatedOpenD]:
    """A frozen simulator that wants a key on its WebSocket, without and with TLS there."""
    tls: dict[str, Any] = {}
    if request.param == "wss":
        tls = {"tls_cert": issued.certificate, "tls_key": issued.key}
    with SimulatedOpenD(seed=1, freeze=True, ws=0, ws_key=KEY, **tls) as running:
        yield running


@pytest.fixture
def script_url(script_sim: SimulatedOpenD) -> str:
    """Where it serves the JavaScript SDK."""
    (url,) = (script_sim.urls[name] for name in ("ws", "wss") if name in script_sim.urls)
    return url


@pytest.fixture
def script(script_sdk: ScriptSDK, script_url: str) -> Iterator[Script]:
    """A connection of the JavaScript SDK to it, logged in."""
    with script_sdk.connect(script_url, KEY) as connected:
        yield connected
