"""What the package offers, and that asking for its fixtures' module costs next to nothing."""

from __future__ import annotations

import subprocess
import sys

import pytest

from futukit import sim


def test_every_public_name_is_there() -> None:
    for name in sim.__all__:
        assert getattr(sim, name).__name__ == name
    assert set(sim.__all__) <= set(dir(sim))
    with pytest.raises(AttributeError, match="nonsense"):
        _ = sim.nonsense


def test_the_pytest_plugin_does_not_load_the_simulator() -> None:
    code = (
        "import sys, futukit.sim.pytest_plugin\n"
        "print([name for name in sys.modules if name.startswith('futukit.sim.')])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "['futukit.sim.pytest_plugin']"
