"""Every generated method works over gRPC, on both faces, with a key."""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from futukit.core.requests import request_kind
from futukit.errors import ServerFailed
from futukit.sim import SimulatedOpenD
from futukit.sync._system import SystemMethods
from futukit.sync._trade import TradeMethods
from futukit.sync.quote import Quote
from tests.contract.clients.faces import AsyncioFace, BlockingFace
from tests.support.questions import SUBSCRIBED, Questions
from tests.unit.sim.raw_client import RawClient

TABLE = Path(__file__).resolve().parents[3] / "docs" / "proto_ids.md"
ROW = re.compile(r"^\| (\d+) \|.*\| request \| `(\w+)\.(\w+)` \|", re.M)
METHODS = [(int(number), group, name) for number, group, name in ROW.findall(TABLE.read_text())]
GROUPS = {"system": SystemMethods, "quote": Quote, "trade": TradeMethods}
KEY = "open-sesame"


@pytest.fixture(params=[AsyncioFace, BlockingFace], ids=lambda face: face.name)
def face(request: pytest.FixtureRequest) -> Iterator[Any]:
    driven = request.param()
    yield driven
    driven.close()


def test_every_method_is_answered(face: Any) -> None:
    assert len(METHODS) == 164
    refused = {}
    with (
        SimulatedOpenD(seed=1, freeze=True, grpc=0, grpc_key=KEY) as opend,
        RawClient(opend.port) as raw,
    ):
        questions = Questions(raw)
        client = face.connect(opend.urls["grpc"], api_key=KEY)
        client.quote.subscribe(["HK.00700"], SUBSCRIBED)
        before = opend.stats().requests
        for proto_id, group, name in METHODS:
            fields = arguments(getattr(GROUPS[group], name), questions.request(proto_id))
            try:
                found = getattr(getattr(client, group), name)(**fields)
            except ServerFailed as error:
                refused[proto_id] = error.ret_msg
            else:
                kind = request_kind(proto_id)
                assert type(found) is (kind.s2c or kind.response), name
        after = opend.stats().requests
        client.close()
    assert refused.keys() == {2237}, refused
    assert [number for number, *_ in METHODS if after[number] <= before.get(number, 0)] == []


def arguments(method: Any, request: Any) -> dict[str, Any]:
    """What a method is to be given: the request's fields, without those that it fills in."""
    c2s = getattr(request, "c2s", request)
    known = inspect.signature(method).parameters
    names = [name for name in c2s.__struct_fields__ if name in known]
    return {name: getattr(c2s, name) for name in names}
