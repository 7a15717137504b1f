"""Settings, keys and the history quota."""

from __future__ import annotations

from typing import Any

import pytest

from futukit.errors import UsageError
from futukit.sim.history import HistoryQuota
from futukit.sim.keys import KeyMaker
from futukit.sim.refusal import RefusalError
from futukit.sim.settings import Settings


@pytest.mark.parametrize(("quota", "options"), [(100, 20), (300, 60), (1000, 200), (2000, 400)])
def test_the_tiers_have_their_option_quota(quota: int, options: int) -> None:
    assert Settings(quota=quota).option_quota == options


@pytest.mark.parametrize(
    "wrong",
    [
        {"speed": 0},
        {"speed": float("nan")},
        {"intensity": -1},
        {"quota": 0},
        {"max_connections": 0},
        {"keep_alive_interval": 0},
        {"trade_password": ""},
    ],
)
def test_impossible_settings_are_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(UsageError):
        Settings(**wrong)


def test_keys_are_16_ascii_characters_and_never_twice_the_same() -> None:
    maker = KeyMaker()
    keys = {maker.aes_key() for _ in range(100)}
    assert len(keys) == 100
    assert all(len(key) == 16 and key.isascii() and key.isalnum() for key in keys)


def test_connection_ids_avoid_those_that_are_taken() -> None:
    first = KeyMaker(fixed_seed=1).connection_id(())
    again = KeyMaker(fixed_seed=1)
    assert again.connection_id({first}) != first
    assert KeyMaker(fixed_seed=2).connection_id(()) != first


def test_fixed_keys_repeat() -> None:
    one, other = KeyMaker(fixed_seed=9), KeyMaker(fixed_seed=9)
    for _ in range(3):
        assert one.connection_id(()) == other.connection_id(())
        assert one.aes_key() == other.aes_key()


def test_history_counts_a_security_once_in_seven_days() -> None:
    quota, day = HistoryQuota(2), 24 * 3600.0
    quota.take("HK.00700", 0)
    quota.take("HK.00700", 1)
    quota.take("US.AAPL", day)
    with pytest.raises(RefusalError, match="all 2 units"):
        quota.take("HK.00001", 2 * day)
    quota.take("HK.00001", 7 * day)
    assert [unit.security for unit in quota.used(7 * day)] == ["US.AAPL", "HK.00001"]
