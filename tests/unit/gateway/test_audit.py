"""What an audit line holds, and what never gets into one."""

from __future__ import annotations

import io
import json

from futukit.gateway.audit import Audit, order_facts
from futukit.gateway.refusals import denied
from futukit.messages import trd_unlock_trade
from tests.unit.gateway.keyring import place


def test_a_line_is_an_object_with_time_and_event() -> None:
    out = io.StringIO()
    audit = Audit(out)
    audit.write("call", peer="1.2.3.4:5", key="desk", reason=None)
    line = json.loads(out.getvalue())
    assert line.pop("time").endswith("+00:00")
    assert line == {"event": "call", "peer": "1.2.3.4:5", "key": "desk"}
    assert audit.on
    silent = Audit(None)
    silent.write("call")
    assert not silent.on


def test_the_facts_of_an_order_and_of_an_unlock() -> None:
    facts = order_facts(place())
    assert (facts["code"], facts["qty"], facts["price"]) == ("00700", 100.0, 300.0)
    unlock = trd_unlock_trade.C2S(unlock=True, pwd_md5="e10adc3949ba59abbe56e057f20f883e")
    assert order_facts(unlock) == {"unlock": True}
    assert order_facts(None) == {}


def test_long_texts_of_a_caller_are_cut() -> None:
    assert len(order_facts(place(code="7" * 10**6))["code"]) == 65
    assert len(denied("x" * 10**6).reason) == 301
