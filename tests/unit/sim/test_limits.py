"""What a simulator refuses before it does anything."""

from __future__ import annotations

from typing import Any

import pytest

from futukit.errors import UsageError
from futukit.sim import SimulatedOpenD


@pytest.mark.parametrize("options", [{"seed": "x"}, {"seed": True}, {"quota": 0}, {"speed": -1.0}])
def test_settings_that_cannot_be_are_refused(options: dict[str, Any]) -> None:
    with pytest.raises(UsageError):
        SimulatedOpenD(**options)


@pytest.mark.parametrize("options", [{"port": 99999}, {"port": -1}, {"control_port": 70000}])
def test_a_number_that_is_no_port_is_refused(options: dict[str, Any]) -> None:
    with pytest.raises(UsageError, match="65535"), SimulatedOpenD(freeze=True, **options):
        pass


def test_an_option_that_the_command_does_not_have_is_refused_by_name() -> None:
    with pytest.raises(UsageError, match="unknown option 'foo'"):
        SimulatedOpenD.spawn(foo=1)


@pytest.mark.parametrize("seconds", [-1.0, float("nan"), float("inf"), 1e12])
def test_time_does_not_advance_by_what_is_no_span(seconds: float) -> None:
    with SimulatedOpenD(freeze=True) as opend, pytest.raises(UsageError):
        opend.advance(seconds)
