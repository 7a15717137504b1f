"""``futukit call`` in this process, against a simulator."""

from __future__ import annotations

import io
import json
from collections.abc import Iterator
from typing import Any

import pytest

from futukit import sync
from futukit.cli.call import request_of
from futukit.cli.main import main
from futukit.codec.plain import to_plain
from futukit.errors import EncodeError, UsageError
from futukit.messages import common, get_global_state, registry, trd_place_order
from futukit.sim import SimulatedOpenD
from tests.unit.codec.test_plain import sample

STATIC = '{"securityList": [{"market": 1, "code": "00700"}]}'


@pytest.fixture(scope="module")
def opend() -> Iterator[SimulatedOpenD]:
    with SimulatedOpenD(seed=1, freeze=True) as running:
        yield running


def call(opend: SimulatedOpenD, *arguments: str) -> int:
    return main(["call", *arguments, "--url", opend.url])


def test_the_answer_is_printed_with_proto_names(
    opend: SimulatedOpenD, capsys: pytest.CaptureFixture[str]
) -> None:
    assert call(opend, "Qot_GetStaticInfo", STATIC) == 0
    printed = capsys.readouterr()
    with sync.connect(opend.url) as client:
        s2c = client.quote.get_static_info(security_list=["HK.00700"])
    assert json.loads(printed.out) == to_plain(s2c)
    assert json.loads(printed.out)["staticInfoList"][0]["basic"]["security"]["code"] == "00700"
    assert printed.err == ""


@pytest.mark.parametrize("name", ["3202", "Qot_GetStaticInfo", "QOT_GETSTATICINFO"])
def test_a_request_goes_by_number_official_name_and_older_name(
    opend: SimulatedOpenD, capsys: pytest.CaptureFixture[str], name: str
) -> None:
    row = registry.row(3202)
    spelled = row.seed_name if name.isupper() else name
    assert spelled is not None
    assert call(opend, spelled, '{"security_list": ["HK.00700"]}', "--compact") == 0
    assert capsys.readouterr().out.count("\n") == 1


def test_parameters_come_from_stdin(
    opend: SimulatedOpenD,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO(STATIC))
    assert call(opend, "3202", "-") == 0
    assert "00700" in capsys.readouterr().out


def test_without_parameters_an_empty_object_is_sent(
    opend: SimulatedOpenD, capsys: pytest.CaptureFixture[str]
) -> None:
    assert call(opend, "1002") == 0
    assert json.loads(capsys.readouterr().out)["qotLogined"] is True


def test_64_bit_numbers_are_printed_as_numbers(
    opend: SimulatedOpenD, capsys: pytest.CaptureFixture[str]
) -> None:
    assert call(opend, "2001", '{"userID": 1}') == 0
    accounts = json.loads(capsys.readouterr().out)["accList"]
    assert [type(account["accID"]) for account in accounts] == [int] * len(accounts)


def test_every_request_with_a_schema_can_be_called(
    opend: SimulatedOpenD, capsys: pytest.CaptureFixture[str]
) -> None:
    """Each answer is printed as JSON, or refused in one line."""
    printed = 0
    for row in registry.rows():
        if row.kind != "request" or row.module is None or row.proto_id in (1001, 1004):
            continue
        parameters = json.dumps(_least(registry.request_class(row.proto_id)))
        status = call(opend, str(row.proto_id), parameters)
        streams = capsys.readouterr()
        if status == 0:
            printed += 1
            assert isinstance(json.loads(streams.out), dict)
        else:
            assert (status, streams.out, streams.err.count("\n")) == (1, "", 1), row.name
    assert printed > 110  # the others want an account, an order or more than a least request names


def _least(cls: Any) -> dict[str, Any]:
    """The required fields of a message or of its C2S, as plain values, with a real security."""
    plain = _with_security(to_plain(sample(cls, False)))
    inner: dict[str, Any] = plain.get("c2s", plain)
    return inner


def _with_security(value: Any) -> Any:
    if isinstance(value, dict):
        if value.keys() == {"market", "code"}:
            return "HK.00700"
        return {name: _with_security(item) for name, item in value.items()}
    return value


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        (["Qot_Nothing"], "Qot_Nothing"),
        (["9999"], "9999"),
        (["Qot_UpdateTicker"], "push"),
        (["3200"], "no schema"),
        (["1001"], "sent by the connection itself"),
        (["3202", "{"], "not JSON"),
        (["3202", "NaN"], "not JSON"),
        (["3202", "[" * 100_000], "cannot be read"),
        (["3202", "[]"], "Qot_GetStaticInfo.C2S: an object"),
        (["3202", '{"securityList": ["HK"]}'], "Qot_GetStaticInfo.C2S.securityList[0]"),
        (["3202", '{"securityLists": []}'], "did you mean securityList"),
    ],
)
def test_wrong_use_is_one_line_on_stderr_and_status_2(
    opend: SimulatedOpenD, capsys: pytest.CaptureFixture[str], arguments: list[str], text: str
) -> None:
    assert call(opend, *arguments) == 2
    printed = capsys.readouterr()
    assert (printed.out, printed.err.count("\n")) == ("", 1)
    assert text in printed.err


def test_a_refusal_is_one_line_on_stderr_and_status_1(
    opend: SimulatedOpenD, capsys: pytest.CaptureFixture[str]
) -> None:
    assert call(opend, "3202", '{"securityList": ["HK.99999"]}') == 1
    printed = capsys.readouterr()
    assert (printed.out, printed.err.count("\n")) == ("", 1)
    assert "retType -1" in printed.err


def test_a_refused_port_is_one_line_on_stderr_and_status_1(
    capsys: pytest.CaptureFixture[str],
) -> None:
    with SimulatedOpenD() as gone:
        url = gone.url
    assert main(["call", "1002", "--url", url]) == 1
    assert capsys.readouterr().err.count("\n") == 1


def test_a_silent_server_ends_with_the_timeout(
    opend: SimulatedOpenD, capsys: pytest.CaptureFixture[str]
) -> None:
    opend.fault("silence", proto_id=1002)
    assert call(opend, "1002", "--timeout", "0.2") == 1
    assert capsys.readouterr().err == "futukit: no answer to proto id 1002 in 0.2 s\n"


def test_a_servers_text_cannot_steer_the_terminal(
    opend: SimulatedOpenD, capsys: pytest.CaptureFixture[str]
) -> None:
    opend.fault("refuse", proto_id=1002, message="a\x1b[2Jb\nc")
    assert call(opend, "1002") == 1
    error = capsys.readouterr().err
    assert "\x1b" not in error
    assert r"a\x1b[2Jb\nc" in error


def test_what_the_connection_fills_in_may_be_left_out() -> None:
    proto_id, request = request_of("GetGlobalState", "{}")
    assert (proto_id, request) == (
        1002,
        get_global_state.Request(c2s=get_global_state.C2S(user_id=0)),
    )
    order = {
        "header": {"trdEnv": 0, "accID": 1, "trdMarket": 1},
        "trdSide": 1,
        "orderType": 1,
        "code": "00700",
        "qty": 100,
    }
    _, request = request_of("2202", json.dumps(order))
    assert isinstance(request, trd_place_order.Request)
    assert request.c2s.packet_id == common.PacketID(conn_id=0, serial_no=0)


def test_a_given_packet_id_is_checked_like_any_field() -> None:
    with pytest.raises(EncodeError, match="packetID"):
        request_of("2202", '{"packetID": 7}')


def test_a_flat_request_has_its_fields_at_the_top() -> None:
    with pytest.raises(UsageError, match="UnusualReq"):
        request_of("3801", '{"nothing": 1}')
