"""Every handler base is handed what the official SDK's is handed, in the same order."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.differential.outcome import Outcome
from tests.differential.pushes import SCRIPTS
from tests.interop.modes import Mode

_SHOWN = 8


@pytest.mark.parametrize("script", SCRIPTS)
def test_same_as_official(mode: Mode, script: str, outcome: Callable[[Mode], Outcome]) -> None:
    found = outcome(mode)
    mine = [name for name in found.pushes if name.startswith(f"pushes/{script}:")]
    for name in mine:
        assert_received(name, found.official_pushes[name])
    shown = [
        f"{name}: {difference}"
        for name in mine
        for difference in found.pushes[name].differences[:_SHOWN]
    ]
    assert not shown, "\n".join(shown)


def assert_received(name: str, official: object) -> None:
    """That the script tests what it says: pushes arrive, unless they are stopped."""
    if name.endswith(": while stopped"):
        assert official == []
    else:
        assert official not in ([], None), f"{name}: nothing arrived"
