"""Simulated trading without IO: accounts, orders, matching, money.

::

    desk = TradingDesk(market, seed=1, trade_password="123456")
    account = desk.account(header)
    order = desk.place(account, terms)
    desk.take_news()

Layers, lowest first: ``rules`` and ``fees`` (the data), ``money`` (amounts), ``orders`` and
``positions`` (the records), ``accounts``, ``margins`` (what may be done), ``admission`` (what an
order must be), ``exchange`` (the way into the order books), ``desk`` (what happens to orders);
``views`` and ``funds`` tell of them in the protocol's messages, ``access`` keeps the lock and who
is pushed to.

All money is whole thousandths of its currency, like the market's prices, and adds up exactly.
"""

from __future__ import annotations

from futukit.sim.trading.access import Access
from futukit.sim.trading.accounts import Account
from futukit.sim.trading.admission import Terms
from futukit.sim.trading.desk import TradingDesk
from futukit.sim.trading.orders import Fill, Order

__all__ = ["Access", "Account", "Fill", "Order", "Terms", "TradingDesk"]
