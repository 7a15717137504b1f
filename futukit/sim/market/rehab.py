"""Adjusting prices for corporate actions, from the same records that Qot_RequestRehab answers with.

Forward keeps today's prices and moves those before an action; backward keeps the first ones and
moves those after it. Prices are floats in currency units here.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from futukit.messages.qot_common import Rehab, RehabType
from futukit.sim.market.calendar import SECOND_US, Calendar, date_text
from futukit.sim.market.grid import SCALE

if TYPE_CHECKING:
    from collections.abc import Sequence

    from futukit.sim.market.instruments import Action

__all__ = ["adjustment", "rehab_rows", "unadjusted"]


def adjustment(actions: Sequence[Action], rehab_type: int, day: int) -> tuple[float, float]:
    """The (a, b) by which a price of a day becomes ``price * a + b`` in currency units."""
    a, b = 1.0, 0.0
    if rehab_type == RehabType.FORWARD:
        for action in actions:
            if action.ex > day:
                factor = float(action.factor)
                a, b = a * factor, b * factor - action.cash / SCALE * factor
    elif rehab_type == RehabType.BACKWARD:
        for action in reversed(actions):
            if action.ex <= day:
                factor = float(action.factor)
                a, b = a / factor, b / factor + action.cash / SCALE
    return a, b


def unadjusted(actions: Sequence[Action], day: int, price: float) -> float:
    """What a price after an action on ``day`` was worth the evening before (price units)."""
    for action in reversed(actions):
        if action.ex == day:
            price = price / float(action.factor) + action.cash
    return price


def rehab_rows(actions: Sequence[Action], calendar: Calendar) -> tuple[Rehab, ...]:
    """The actions as Qot_RequestRehab lists them, oldest first."""
    return tuple(_row(action, calendar) for action in actions)


def _row(action: Action, calendar: Calendar) -> Rehab:
    factor = float(action.factor)
    cash = action.cash / SCALE
    return Rehab(
        time=f"{date_text(action.ex)} 00:00:00",
        company_act_flag=action.flags,
        fwd_factor_a=factor,
        fwd_factor_b=-cash * factor,
        bwd_factor_a=1.0 / factor,
        bwd_factor_b=cash,
        split_base=action.split[0] if action.split else None,
        split_ert=action.split[1] if action.split else None,
        bonus_base=action.bonus[0] if action.bonus else None,
        bonus_ert=action.bonus[1] if action.bonus else None,
        dividend=cash if action.cash else None,
        timestamp=calendar.at(action.ex, 0) / SECOND_US,
    )
