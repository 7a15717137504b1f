"""Every id of the seed's table passes the gateway as the table of ids says, and as docs tell."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable

import pytest

from futukit import codec
from futukit.messages import registry
from futukit.messages.registry import ProtoId
from tests.contract.gateway_ids.calling import Said
from tests.contract.gateway_ids.outcomes import (
    PUSHES,
    REQUESTS,
    ROWS,
    Outcome,
    Outcomes,
    run,
    scopes_of,
)
from tests.contract.gateway_ids.page import PAGE, rendered, works
from tests.contract.gateway_ids.pushed import RAW_PUSH, Pushed

IN_SCHEMA = [row for row in REQUESTS if row.module]
RAW = [row for row in REQUESTS if not row.module]

UNCONFIRMED = 2237
"""No order of the simulator waits for a confirmation, so OpenD refuses this one."""

SESSION = {1001, 1004}
ABOUT_THE_CONNECTION = {2008, 3001, 3002}
"""The gateway asks OpenD only for what nobody has yet."""

EACH_TIME_ANOTHER = {1004, 2202, 3220}
"""The clock, the number of a new order, the number of a new reminder."""


@pytest.fixture(scope="module")
def found(tmp_path_factory: pytest.TempPathFactory) -> Outcomes:
    return asyncio.run(run(tmp_path_factory.mktemp("keys")))


def ids(rows: Iterable[ProtoId]) -> list[int]:
    return [row.proto_id for row in rows]


def of(found: Outcomes, proto_id: int) -> list[Outcome]:
    outcomes = [one for one in found.requests if one.row.proto_id == proto_id]
    assert [one.scope for one in outcomes] == list(scopes_of(registry.row(proto_id)))
    return outcomes


def pushed(found: Outcomes, proto_id: int) -> Pushed:
    (push,) = (one for one in found.pushes if one.row.proto_id == proto_id)
    return push


def test_the_table_has_78_ids() -> None:
    assert (len(ROWS), len(REQUESTS), len(PUSHES)) == (78, 66, 12)


@pytest.mark.parametrize("proto_id", ids(IN_SCHEMA))
def test_a_request_works_with_its_scope_alone(found: Outcomes, proto_id: int) -> None:
    for outcome in of(found, proto_id):
        for said in outcome.granted.all:
            response = codec.decode(registry.response_class(proto_id), said.body)
            assert (said.status, said.text) == ("OK", response.ret_msg or "")
            assert (response.s2c is not None) is (said.ret_type == 0)
        if proto_id == UNCONFIRMED:
            assert {said.ret_type for said in outcome.granted.all} == {-1}
            assert "does not wait for a confirmation" in outcome.granted.whole.text
        else:
            assert works(outcome.granted), outcome


@pytest.mark.parametrize("proto_id", ids(IN_SCHEMA))
def test_a_bare_c2s_gets_the_same_answer(found: Outcomes, proto_id: int) -> None:
    for outcome in of(found, proto_id):
        whole, bare, _ = outcome.granted.all
        if proto_id in EACH_TIME_ANOTHER:
            assert whole[:3] == bare[:3]
        else:
            assert whole == bare


@pytest.mark.parametrize("proto_id", ids(RAW))
def test_the_bytes_of_an_id_without_a_schema_go_to_opend(found: Outcomes, proto_id: int) -> None:
    (outcome,) = of(found, proto_id)
    for said in outcome.granted.all:
        assert said[:3] == ("OK", -1, f"unknown proto id {proto_id}")
    assert outcome.granted.reached == len(outcome.granted.all) == 2


@pytest.mark.parametrize("proto_id", ids(REQUESTS))
def test_who_answers(found: Outcomes, proto_id: int) -> None:
    for outcome in of(found, proto_id):
        reached, made = outcome.granted.reached, len(outcome.granted.all)
        if proto_id in SESSION:
            assert reached == 0
        elif proto_id in ABOUT_THE_CONNECTION:
            assert 1 <= reached < made
        else:
            assert reached == made


@pytest.mark.parametrize("proto_id", ids(REQUESTS))
def test_a_request_without_its_scope_is_refused(found: Outcomes, proto_id: int) -> None:
    for outcome in of(found, proto_id):
        if not outcome.scope:
            assert works(outcome.lacking)
            continue
        key = f"without-{outcome.scope.replace(':', '.')}"
        reason = f"{outcome.row.name} needs the scope {outcome.scope}, which {key!r} does not have"
        *over_grpc, in_frames = outcome.lacking.all
        assert {said[:3] for said in over_grpc} == {("PERMISSION_DENIED", 0, reason)}
        assert in_frames[:3] == ("OK", -1, reason)
        assert outcome.lacking.reached == 0


def test_nothing_is_there_for_a_caller_without_a_key(found: Outcomes) -> None:
    refused = {one.row.proto_id: one.keyless[:3] for one in found.requests}
    refused |= {one.row.proto_id: one.keyless[:3] for one in found.pushes}
    reason = ("UNAUTHENTICATED", 0, "no API key was given")
    assert refused == dict.fromkeys(ids(ROWS), reason)


@pytest.mark.parametrize("proto_id", ids(PUSHES))
def test_a_push_cannot_be_called(found: Outcomes, proto_id: int) -> None:
    reason = f"proto id {proto_id} is a push, it cannot be called"
    assert pushed(found, proto_id).called[:3] == ("PERMISSION_DENIED", 0, reason)


@pytest.mark.parametrize("proto_id", ids(PUSHES))
def test_a_push_comes_with_its_scope(found: Outcomes, proto_id: int) -> None:
    push = pushed(found, proto_id)
    assert push.received
    for event in push.received:
        if push.row.module is None:
            assert event.body == RAW_PUSH
            continue
        response = codec.decode(registry.response_class(proto_id), event.body or b"")
        assert response.ret_type == 0
        assert response.s2c is not None


@pytest.mark.parametrize("proto_id", ids(PUSHES))
def test_a_push_does_not_come_without_its_scope(found: Outcomes, proto_id: int) -> None:
    push = pushed(found, proto_id)
    if push.row.access == "none":
        reason = "pushes need one of the scopes qot:read and acc:read"
        assert push.lacking == Said("PERMISSION_DENIED", 0, reason)
    else:
        assert push.lacking == ()


def test_what_the_simulator_does_not_make_was_sent_by_hand(found: Outcomes) -> None:
    assert {push.row.proto_id for push in found.pushes if push.by_hand} == {2240, 3017, 3019}


def test_the_page_tells_what_happened(found: Outcomes) -> None:
    assert PAGE.read_text("utf-8") == rendered(found)
