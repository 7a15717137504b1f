"""What kinds of contexts and handlers are called in both faces; runs in both environments."""

from __future__ import annotations

from typing import Final

CONTEXTS: Final = {
    "quote": "OpenQuoteContext",
    "sec": "OpenSecTradeContext",
    "future": "OpenFutureTradeContext",
    "crypto": "OpenCryptoTradeContext",
}
HANDLERS: Final = {
    "notify": "SysNotifyHandlerBase",
    "order": "TradeOrderHandlerBase",
    "deal": "TradeDealHandlerBase",
    "quote": "StockQuoteHandlerBase",
    "kline": "CurKlineHandlerBase",
    "rt": "RTDataHandlerBase",
    "ticker": "TickerHandlerBase",
    "order_book": "OrderBookHandlerBase",
    "broker": "BrokerHandlerBase",
    "price_reminder": "PriceReminderHandlerBase",
    "option_event": "OptionEventHandlerBase",
    "indicator": "IndicatorCalcHandlerBase",
    "event_order_book": "EventContractOrderBookHandlerBase",
    "event_kline": "EventContractKlineHandlerBase",
    "event_ticker": "EventContractTickerHandlerBase",
}
