"""Pytest fixtures: a simulated OpenD for each test that asks for one.

``opend`` runs in this process with the clock standing still and seed 1; ``opend_process`` is the
same in a process of its own. Both have ``url``, ``port`` and the commands of
futukit.sim.controlling.Control. The simulator is imported when a fixture is first used.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from futukit.sim import SimulatedOpenD, SpawnedOpenD

__all__ = ["opend", "opend_process"]


@pytest.fixture
def opend() -> Iterator[SimulatedOpenD]:
    """A simulated OpenD in this process, frozen, seed 1."""
    from futukit.sim import SimulatedOpenD

    with SimulatedOpenD(seed=1, freeze=True) as running:
        yield running


@pytest.fixture
def opend_process() -> Iterator[SpawnedOpenD]:
    """A simulated OpenD in a child process, frozen, seed 1."""
    from futukit.sim import SimulatedOpenD

    with SimulatedOpenD.spawn(seed=1, freeze=True) as running:
        yield running
