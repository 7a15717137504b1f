"""What stands in an answer's body: the whole Response, or its S2C where the gateway is told so."""

from __future__ import annotations

import pytest

from futukit import codec
from futukit.messages import get_global_state, qot_get_static_info, skill_wrap_api
from futukit.messages.common import RetType
from tests.contract.gateway.conftest import TENCENT, run, scene

STATE = get_global_state.C2S(user_id=0)


@pytest.mark.parametrize("answers", ["whole", "s2c"])
def test_an_answer_is_whole_or_bare(answers: str) -> None:
    async def scenario() -> None:
        async with scene(answers=answers) as here:
            client = here.plain()
            answer = await client.ask(1002, STATE)
            body = answer.body or b""
            if answers == "s2c":
                state = codec.decode(get_global_state.S2C, body)
            else:
                whole = codec.decode(get_global_state.Response, body)
                assert whole.ret_type is RetType.SUCCEED
                assert whole.s2c is not None
                state = whole.s2c
            assert state.qot_logined
            assert (answer.ret_type, answer.ret_msg, answer.proto_id) == (0, "", 1002)

    run(scenario())


def test_a_refusal_of_opend_has_no_s2c() -> None:
    async def scenario() -> None:
        async with scene(answers="s2c") as here:
            unknown = qot_get_static_info.C2S(
                security_list=(type(TENCENT)(market=TENCENT.market, code="nothing"),)
            )
            answer = await here.plain().ask(3202, unknown)
            assert answer.ret_type == -1
            assert answer.ret_msg
            assert not answer.body

    run(scenario())


def test_the_connection_id_of_an_answer_is_the_gateways() -> None:
    async def scenario() -> None:
        async with scene() as here:
            state = await here.plain().must(1002, STATE)
            [member] = here.gateway.hub.members.values()
            assert state.conn_id == member.connection_id != here.upstream_id

    run(scenario())


def test_a_flat_answer_has_no_other_form() -> None:
    async def scenario() -> None:
        async with scene(answers="s2c") as here:
            answer = await here.plain().ask(3801, skill_wrap_api.TechnicalUnusualReq())
            codec.decode(skill_wrap_api.TechnicalUnusualRsp, answer.body or b"")

    run(scenario())
