"""The official SDK in its process, simulators, and the same request through our own faces."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

pytest.register_assert_rewrite("tests.interop.columns", "tests.interop.faces")

from futukit.sim import SimulatedOpenD  # noqa: E402
from tests.interop.official import Official, OfficialSDK  # noqa: E402


@pytest.fixture(scope="module")
def sdk(tmp_path_factory: pytest.TempPathFactory) -> Iterator[OfficialSDK]:
    """A process with the official SDK; every test makes contexts of its own in it."""
    with OfficialSDK(tmp_path_factory.mktemp("official-home")) as running:
        yield running


@pytest.fixture
def sim() -> Iterator[SimulatedOpenD]:
    """A frozen simulator."""
    with SimulatedOpenD(seed=1, freeze=True) as running:
        yield running


@pytest.fixture
def official(sdk: OfficialSDK, sim: SimulatedOpenD) -> Iterator[Official]:
    """A quote context of the SDK on the frozen simulator."""
    context = sdk.connect(sim.port)
    yield context
    context.close()
