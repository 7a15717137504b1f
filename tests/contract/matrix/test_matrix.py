"""The same contract over every valid combination of transport, body, encryption and face."""

from __future__ import annotations

import queue
from typing import Any

import pytest
from msgspec import structs

from futukit import aio, sync
from futukit.endpoint import Combination, combinations
from futukit.enums import KLType, RehabType, SubType
from futukit.errors import (
    ClientClosed,
    ConnectionLost,
    RemoteProtocolError,
    ServerFailed,
    UsageError,
)
from futukit.messages import notify, qot_common, qot_update_ticker
from futukit.sim import SimulatedOpenD
from tests.contract.clients.faces import states_of, until
from tests.contract.matrix.conftest import Doors, name_of

CODE = "HK.00700"
GLOBAL_STATE = 1002
MANY = 20_000
HISTORY: dict[str, Any] = {
    "rehab_type": RehabType.FORWARD,
    "kl_type": KLType.DAY,
    "security": CODE,
    "begin_time": "2020-01-01",
    "end_time": "2026-01-01",
    "max_ack_kl_num": 1000,
}


def test_it_connects_and_says_what_is_in_force(client: Any, combination: Combination) -> None:
    assert client.state.value == "ready"
    assert client.connection_id > 0
    assert client.encryption == combination.encryption


def test_an_answer_is_the_same_everywhere(client: Any, reference: sync.Client) -> None:
    assert global_state(client) == global_state(reference)
    codes = [CODE, "US.AAPL"]
    snapshot = client.quote.get_security_snapshot(security_list=codes)
    assert snapshot == reference.quote.get_security_snapshot(security_list=codes)


def global_state(client: Any) -> Any:
    """What all clients of one OpenD are told alike."""
    return structs.replace(client.system.get_global_state(), conn_id=0)


def test_an_error_is_the_same_everywhere(client: Any, reference: sync.Client) -> None:
    found = []
    for asked in (client, reference):
        with pytest.raises(ServerFailed) as caught:
            asked.quote.get_static_info(security_list=["HK.nothing"])
        found.append((str(caught.value), caught.value.ret_type, caught.value.err_code))
    assert found[0] == found[1]


def test_pushes_come_in_order(client: Any, reference: sync.Client, opend: SimulatedOpenD) -> None:
    pushes = {}
    for number, asked in enumerate((client, reference)):
        asked.quote.subscribe([CODE], [SubType.TICKER], first_push=False)
        pushes[number] = asked.pushes(qot_update_ticker.Response)
    opend.advance(20)
    wanted = opend.advance(20)
    assert wanted.trades > 0
    last = reference.quote.get_ticker(security=CODE, max_ret_num=1).ticker_list[-1].sequence
    seen = [taken_until(pushes[number], last) for number in pushes]
    assert seen[0] == seen[1]
    sequences = [row.sequence for s2c in seen[0] for row in s2c.ticker_list]
    assert sequences == sorted(set(sequences))


def taken_until(pushes: Any, sequence: int) -> list[Any]:
    taken = []
    for s2c in pushes:
        taken.append(s2c)
        if s2c.ticker_list[-1].sequence >= sequence:
            return taken
    raise AssertionError("the pushes ended")


def test_large_messages_both_ways(client: Any, reference: sync.Client) -> None:
    history = client.quote.request_history_kl(**HISTORY)
    assert len(history.kl_list) == 1000
    assert history == reference.quote.request_history_kl(**HISTORY)
    asked = [
        qot_common.Security(market=qot_common.QotMarket.HK_SECURITY, code=f"no{number:08}")
        for number in range(MANY)
    ]
    with pytest.raises(ServerFailed):
        client.quote.get_static_info(security_list=asked)
    assert global_state(client) == global_state(reference)


def test_a_notice_comes_typed(client: Any, opend: SimulatedOpenD) -> None:
    notices: queue.Queue[notify.S2C] = queue.Queue()
    client.on(notify.Response, notices.put)
    assert opend.notify("gtw_event", desc="a text é") >= 1
    notice = notices.get(timeout=5)
    assert notice.type is notify.NotifyType.GTW_EVENT
    assert notice.event is not None
    assert notice.event.desc == "a text é"


def test_a_close_ends_what_waits(client: Any, opend: SimulatedOpenD) -> None:
    opend.fault("silence", proto_id=GLOBAL_STATE)
    waiting = client.start(lambda own: own.system.get_global_state())
    until_asked(opend)
    client.close()
    with pytest.raises(ClientClosed):
        waiting.result(timeout=5)
    with pytest.raises(ClientClosed):
        client.system.get_global_state()


def until_asked(opend: SimulatedOpenD) -> None:
    """Wait until the silenced request has come: its fault is used up then."""
    while opend.stats().faults:
        continue


def test_a_cut_is_found_and_mended(
    client: Any, combination: Combination, opend: SimulatedOpenD
) -> None:
    states = states_of(client)
    before = client.connection_id
    opend.fault("cut", proto_id=GLOBAL_STATE, at_byte=20)
    with pytest.raises(ConnectionLost):
        client.system.get_global_state()
    until(states, "ready")
    assert client.connection_id != before
    assert client.encryption == combination.encryption
    assert client.system.get_global_state().qot_logined


@pytest.mark.parametrize("what", ["magic", "garbage"])
def test_garbage_ends_only_this_connection(
    client: Any, reference: sync.Client, opend: SimulatedOpenD, what: str
) -> None:
    states = states_of(client)
    opend.fault("corrupt", proto_id=GLOBAL_STATE, what=what, connection_id=client.connection_id)
    with pytest.raises(ConnectionLost) as caught:
        client.system.get_global_state()
    assert isinstance(caught.value.__cause__, RemoteProtocolError)
    until(states, "ready")
    assert global_state(client) == global_state(reference)


@pytest.mark.parametrize(
    "refused", [found for found in combinations() if found.refusal is not None], ids=name_of
)
@pytest.mark.parametrize("connect", [aio.connect, sync.connect], ids=["asyncio", "blocking"])
def test_what_cannot_be_is_refused_before_a_byte_is_sent(
    refused: Combination, connect: Any, doors: Doors
) -> None:
    assert refused.refusal is not None
    # Nobody listens there: whatever tried to connect would fail in another way.
    with pytest.raises(UsageError, match=refused.refusal.split(",")[0]):
        connect(f"{refused.scheme.name}://127.0.0.1:9", **doors.options(refused))
