"""Every message against ``google.protobuf``: both directions, presence, defaults, bad bytes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from futukit import codec
from tests.fuzz import oracle

# Small counts: there are a thousand messages, and the shapes of their fields repeat.
_FEW = settings(
    max_examples=3,
    deadline=None,
    database=None,
    derandomize=True,
    suppress_health_check=list(HealthCheck),
)


@pytest.fixture(scope="session")
def pool(upstream_protos: Path, javascript_protos: Path) -> Any:
    """Descriptors from the downloaded files, never from ours."""
    return oracle.compile_pool(upstream_protos, javascript_protos)


def _check_both_ways(cls: type[Any], upb: Any, values: dict[str, Any]) -> bytes:
    theirs = oracle.fill(upb(), values)
    data: bytes = theirs.SerializeToString()
    ours = codec.decode(cls, data)
    oracle.compare(cls, ours, theirs)
    assert codec.encode(ours) == data
    assert codec.encode(oracle.build(cls, theirs)) == data
    return data


@pytest.mark.parametrize("name", sorted(oracle.our_classes()))
def test_values_go_both_ways_and_broken_bytes_are_judged_alike(pool: Any, name: str) -> None:
    cls, upb = oracle.our_classes()[name], oracle.upb_class(pool, name)

    @_FEW
    @given(st.data())
    def check(draw: st.DataObject) -> None:
        values = draw.draw(oracle.contents(upb.DESCRIPTOR))
        data = _check_both_ways(cls, upb, values)
        for _ in range(3):
            oracle.agree(cls, upb, draw.draw(oracle.mutations(upb.DESCRIPTOR, data)))
        other = oracle.fill(upb(), draw.draw(oracle.contents(upb.DESCRIPTOR)))
        oracle.agree(cls, upb, data + other.SerializeToString())

    check()


def test_every_upstream_message_has_a_class(
    pool: Any, upstream_protos: Path, javascript_protos: Path
) -> None:
    upstream = set(oracle.message_names(pool, upstream_protos))
    assert len(upstream) == 996
    web_socket = {f"InitWebSocket.{name}" for name in ("C2S", "S2C", "Request", "Response")}
    assert set(oracle.our_classes()) == upstream | web_socket
