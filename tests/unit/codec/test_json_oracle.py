"""JSON bodies of every message against ``google.protobuf.json_format`` on the upstream files."""

from __future__ import annotations

import itertools
import json
import math
from pathlib import Path
from typing import Any

import pytest
from google.protobuf import json_format
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from futukit import codec
from futukit.codec import json_body
from futukit.errors import DecodeError
from tests.fuzz import oracle

# Small counts: there are a thousand messages, and the shapes of their fields repeat.
_FEW = settings(
    max_examples=2,
    deadline=None,
    database=None,
    derandomize=True,
    suppress_health_check=list(HealthCheck),
)


@pytest.fixture(scope="session")
def pool(upstream_protos: Path, javascript_protos: Path) -> Any:
    """Descriptors from the downloaded files, never from ours."""
    return oracle.compile_pool(upstream_protos, javascript_protos)


def _common_nans(values: Any) -> Any:
    """JSON has one NaN, where protobuf carries the payload of each."""
    if isinstance(values, dict):
        return {name: _common_nans(value) for name, value in values.items()}
    if isinstance(values, list):
        return [_common_nans(value) for value in values]
    return math.nan if isinstance(values, float) and math.isnan(values) else values


def _their_bodies(theirs: Any) -> list[bytes]:
    """The message in each of the spellings that json_format has."""
    return [
        json_format.MessageToJson(
            theirs,
            preserving_proto_field_name=proto_names,
            use_integers_for_enums=numbers,
            ensure_ascii=escaped,
            indent=2 if escaped else None,
        ).encode()
        for proto_names, numbers, escaped in itertools.product([True, False], repeat=3)
    ]


def _leaves_out(message: Any) -> bool:
    """Whether a server leaves something of the message out: an optional number, not finite."""
    for _, attribute, _, _, kind, label, _, _ in codec.plan_of(type(message)).fields:
        value = getattr(message, attribute)
        if kind == "message" and value is not None:
            if any(map(_leaves_out, value if label == "repeated" else [value])):
                return True
        elif label == "optional" and isinstance(value, float) and not math.isfinite(value):
            return True
    return False


def _check_theirs_to_ours(cls: type[Any], theirs: Any, data: bytes) -> None:
    for body in _their_bodies(theirs):
        # Bytes, not messages: a NaN is not equal to itself.
        assert codec.encode(codec.decode_json(cls, body)) == data
        assert codec.encode(json_body._read_by_rules(cls, body)) == data


def _check_ours_to_theirs(cls: type[Any], upb: Any, theirs: Any, data: bytes) -> None:
    ours = codec.decode(cls, data)
    client, server = codec.encode_json(ours), codec.encode_json(ours, server=True)
    assert json_format.Parse(client, upb()).SerializeToString() == data
    assert json.loads(client) == json_format.MessageToDict(theirs)
    if not _leaves_out(ours):
        assert json_format.Parse(server, upb()).SerializeToString() == data
    assert codec.encode_json(codec.decode_json(cls, server), server=True) == server


def _outcome(read: Any, cls: type[Any], body: bytes) -> object:
    """What was read, as bytes; or the refusal."""
    try:
        return codec.encode(read(cls, body))
    except DecodeError as error:
        return str(error)


@pytest.mark.parametrize("name", sorted(oracle.our_classes()))
def test_values_go_both_ways_and_broken_bodies_are_refused(pool: Any, name: str) -> None:
    cls, upb = oracle.our_classes()[name], oracle.upb_class(pool, name)

    @_FEW
    @given(st.data())
    def check(draw: st.DataObject) -> None:
        values = _common_nans(draw.draw(oracle.contents(upb.DESCRIPTOR)))
        theirs = oracle.fill(upb(), values)
        data = theirs.SerializeToString()
        _check_theirs_to_ours(cls, theirs, data)
        _check_ours_to_theirs(cls, upb, theirs, data)
        body = codec.encode_json(codec.decode(cls, data), server=True)
        for _ in range(3):
            broken = draw.draw(oracle.mutations(upb.DESCRIPTOR, body))
            expected = _outcome(json_body._read_by_rules, cls, broken)
            assert _outcome(codec.decode_json, cls, broken) == expected

    check()


def test_nearly_all_messages_are_read_and_written_straight() -> None:
    """Only numbers of single precision, and enums that are written by name, need more."""
    kinds = {
        name: {row[4] for row in codec.plan_of(cls).fields}
        for name, cls in oracle.our_classes().items()
    }
    ways = {name: json_body._way(cls) for name, cls in oracle.our_classes().items()}
    for name, way in ways.items():
        assert bool(way.decoders) == (way.server is not None)
        if "float" in kinds[name]:
            assert not way.decoders
        if "enum" in kinds[name]:
            assert way.client is None
    assert sum(not way.decoders for way in ways.values()) < 20
    assert sum(way.client is None for way in ways.values()) < 150
