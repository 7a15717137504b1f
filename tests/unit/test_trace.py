"""The readable trace: what a line says, what it never says, and that it disturbs nobody."""

from __future__ import annotations

import asyncio
import json
import logging
import pprint
import tomllib
import traceback
from collections.abc import Callable, Iterator
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from msgspec import Struct
from msgspec.structs import asdict
from rich.pretty import pretty_repr

from futukit import aio, codec, sync
from futukit._native.frame import Envelope
from futukit.cli.call import request_of
from futukit.codec.masks import MASK, Masked, secrets_of
from futukit.codec.plain import from_plain
from futukit.core.session.machine import INIT_WEB_SOCKET
from futukit.errors import FutukitError, UsageError
from futukit.messages import (
    common,
    init_web_socket,
    qot_common,
    qot_sub,
    qot_update_basic_qot,
    qot_update_ticker,
    registry,
    trd_unlock_trade,
)
from futukit.sim import SimulatedOpenD
from futukit.trace import Account, Tracer, observer_for
from tests.unit.codec.test_plain import CLASSES, sample

ROOT = Path(__file__).resolve().parents[2]
NOON = datetime(2026, 3, 2, 12, 1, 2, 345678)
SECRETS: dict[str, str] = tomllib.loads((ROOT / "protos" / "secrets.toml").read_text("utf-8"))[
    "secret"
]
CANARY = "cAn4rY-5ecret"
SUBSCRIBE = qot_sub.Request(
    c2s=qot_sub.C2S(
        security_list=(
            qot_common.Security(market=qot_common.QotMarket.HK_SECURITY, code="00700"),
            qot_common.Security(market=qot_common.QotMarket.US_SECURITY, code=".DJI"),
        ),
        sub_type_list=(qot_common.SubType.TICKER,),
        is_sub_or_un_sub=True,
    )
)
SHOWN = '{"securityList":["HK.00700","US..DJI"],"subTypeList":[4],"isSubOrUnSub":true}'
OK = common.RetType.SUCCEED


def packet(proto_id: int, message: Struct | bytes, body_format: int = 0) -> Envelope:
    body = message if isinstance(message, bytes) else codec.encode_body(message, body_format)
    return Envelope(proto_id, 3, body_format, body)


def traced(envelope: Envelope, direction: Any = "sent", **options: Any) -> str:
    lines: list[str] = []
    Tracer(lines.append, clock=lambda: NOON, **options)(direction, envelope)
    (line,) = lines
    return line


# What a line says.


def test_a_request_is_shown_with_direction_size_and_parameters() -> None:
    size = len(codec.encode(SUBSCRIBE))
    line = traced(packet(3001, SUBSCRIBE))
    assert line == f"12:01:02.345 → 3001 Qot_Sub #3 c2s {size} B {SHOWN}"


def test_a_json_body_says_so() -> None:
    size = len(codec.encode_json(SUBSCRIBE))
    line = traced(packet(3001, SUBSCRIBE, 1))
    assert line == f"12:01:02.345 → 3001 Qot_Sub #3 c2s json {size} B {SHOWN}"


def test_an_answer_that_only_succeeds_is_shown_by_its_s2c() -> None:
    response = qot_update_basic_qot.Response(
        ret_type=OK, ret_msg="", err_code=0, s2c=qot_update_basic_qot.S2C()
    )
    line = traced(packet(3005, response), "received")
    assert line == "12:01:02.345 ← 3005 Qot_UpdateBasicQot #3 s2c 8 B {}"


@pytest.mark.parametrize(
    ("response", "shown"),
    [
        (qot_sub.Response(ret_type=OK), '{"retType":0}'),
        (
            qot_sub.Response(ret_type=common.RetType.FAILED, ret_msg="no", s2c=qot_sub.S2C()),
            '{"retType":-1,"retMsg":"no","s2c":{}}',
        ),
    ],
)
def test_another_answer_is_shown_whole(response: qot_sub.Response, shown: str) -> None:
    envelope = packet(3001, response)
    line = traced(envelope, "received")
    assert line == f"12:01:02.345 ← 3001 Qot_Sub #3 Response {len(envelope.body)} B {shown}"


def test_a_server_sends_answers_and_receives_requests() -> None:
    assert " → 3001 Qot_Sub #3 c2s " in traced(packet(3001, SUBSCRIBE), "received", server=True)
    answer = packet(3001, qot_sub.Response(ret_type=OK))
    assert ' ← 3001 Qot_Sub #3 Response 2 B {"retType":0}' in traced(answer, "sent", server=True)


@pytest.mark.parametrize(("proto_id", "name"), [(3200, registry.row(3200).name), (9999, "?")])
def test_an_id_without_a_schema_shows_its_size_only(proto_id: int, name: str) -> None:
    line = traced(packet(proto_id, b"raw bytes"))
    assert line == f"12:01:02.345 → {proto_id} {name} #3 9 B"


@pytest.mark.parametrize("body_format", [0, 1])
def test_a_body_that_does_not_decode_shows_size_and_reason(body_format: int) -> None:
    line = traced(packet(3001, b"\xff\xfe{", body_format))
    kind = "json " if body_format else ""
    assert line.startswith(
        f"12:01:02.345 → 3001 Qot_Sub #3 {kind}3 B, does not decode: Qot_Sub.Request: "
    )


def test_the_login_of_the_javascript_dialect_is_known() -> None:
    hello = init_web_socket.Request(c2s=init_web_socket.C2S(client_id="x", websocket_key=CANARY))
    line = traced(packet(INIT_WEB_SOCKET, hello))
    assert line.endswith(' B {"websocketKey":"…","clientID":"x"}')
    assert " → 1 InitWebSocket #3 c2s " in line


@pytest.mark.parametrize("turn", [0, 1])
def test_a_shown_c2s_is_what_the_command_call_takes(turn: int) -> None:
    compared = 0
    for row in registry.rows():
        if row.request is None or row.proto_id in (1001, 1004):
            continue
        request = sample(registry.request_class(row.proto_id), True, turn)
        line = Account.of(packet(row.proto_id, request), "request").line("@0")
        if MASK not in line:
            compared += 1
            parameters = line[line.index("{") :]
            assert request_of(str(row.proto_id), parameters)[1] == request, row.name
    assert compared > 150


def test_a_security_without_a_code_keeps_its_form() -> None:
    security = qot_common.Security(market=qot_common.QotMarket.HK_SECURITY, code="")
    request = qot_sub.Request(
        c2s=qot_sub.C2S(security_list=(security,), sub_type_list=(), is_sub_or_un_sub=True)
    )
    assert '"securityList":[{"market":1,"code":""}]' in traced(packet(3001, request))


@pytest.mark.parametrize("width", [1, 20, 60])
def test_a_line_is_cut_to_its_width(width: int) -> None:
    line = traced(packet(3001, SUBSCRIBE), width=width)
    assert len(line) == width
    assert line.endswith("…")
    whole = traced(packet(3001, SUBSCRIBE), width=None)
    assert whole.startswith(line[:-1])
    assert traced(packet(3001, SUBSCRIBE), width=len(whole)) == whole


@pytest.mark.parametrize("width", [0, -1, True])
def test_a_width_that_is_none_is_refused(width: int) -> None:
    with pytest.raises(UsageError, match="width"):
        Tracer(print, width=width)


def test_a_text_from_the_net_can_neither_break_the_line_nor_steer_the_terminal() -> None:
    text = "a\r\nb\x1b[2J\x7f\x9b\u202e\u2028😀"
    response = qot_sub.Response(ret_type=common.RetType.FAILED, ret_msg=text)
    line = traced(packet(3001, response), "received")
    assert line.isprintable()
    assert json.loads(line[line.index("{") :])["retMsg"] == text


@pytest.mark.parametrize("body_format", [0, 1])
def test_a_body_tells_by_itself_whether_it_is_a_request(body_format: int) -> None:
    for row in registry.rows():
        if row.response is None:
            continue
        answer = sample(registry.response_class(row.proto_id), False)
        envelope = packet(row.proto_id, answer, body_format)
        assert Account.of(envelope) == Account.of(envelope, "response"), row.name
        if row.request is not None:
            request = sample(registry.request_class(row.proto_id), True)
            envelope = packet(row.proto_id, request, body_format)
            assert Account.of(envelope) == Account.of(envelope, "request"), row.name


# That it disturbs nobody.


def test_an_error_of_the_writer_is_logged_once_and_swallowed(
    caplog: pytest.LogCaptureFixture,
) -> None:
    def write(_: str) -> None:
        raise OSError("the disk is full")

    tracer = Tracer(write)
    for _ in range(3):
        tracer("sent", packet(3001, SUBSCRIBE))
    assert [record.levelno for record in caplog.records] == [logging.ERROR]
    assert "futukit.trace" in caplog.records[0].name


def test_whoever_interrupts_the_writer_is_heard() -> None:
    def write(_: str) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        Tracer(write)("sent", packet(3001, SUBSCRIBE))


def test_the_option_says_where_the_lines_go(capsys: pytest.CaptureFixture[str]) -> None:
    assert observer_for(None) is observer_for(False) is None
    tracer = Tracer(print)
    assert observer_for(tracer) is tracer
    to_stderr = observer_for(True)
    assert to_stderr is not None
    to_stderr("sent", packet(9999, b""))
    printed = capsys.readouterr()
    assert (printed.out, printed.err.count("\n")) == ("", 1)
    assert printed.err.endswith(" → 9999 ? #3 0 B\n")
    lines: list[str] = []
    to_list = observer_for(lines.append)
    assert to_list is not None
    to_list("received", packet(9999, b""))
    assert lines[0].endswith(" ← 9999 ? #3 0 B")


@pytest.mark.parametrize("trace", [1, "yes", [], 0])
def test_another_value_of_the_option_is_refused(trace: object) -> None:
    with pytest.raises(UsageError, match="trace"):
        observer_for(trace)


# On a connection.

ORDER = [
    "→ 1001 InitConnect c2s",
    "← 1001 InitConnect s2c",
    "→ 1002 GetGlobalState c2s",
    "← 1002 GetGlobalState s2c",
]


def outlines(lines: list[str]) -> list[str]:
    """The lines without time, serial, size and message; KeepAlive comes when it likes."""
    words = [line.split(" ") for line in lines]
    return [" ".join((*word[1:4], word[5])) for word in words if word[2] != "1004"]


@pytest.mark.parametrize("body", ["protobuf", "json"])
def test_every_packet_of_a_blocking_client_is_traced_in_order(body: str) -> None:
    lines: list[str] = []
    with (
        SimulatedOpenD(freeze=True) as opend,
        sync.connect(opend.url, body=body, trace=lines.append) as client,
    ):
        client.system.get_global_state()
    assert outlines(lines) == ORDER
    assert all((" json " in line) is (body == "json") for line in lines)


def test_every_packet_of_an_asyncio_client_is_traced_pushes_too() -> None:
    lines: list[str] = []

    async def scenario() -> None:
        async with (
            SimulatedOpenD(freeze=True) as opend,
            aio.connect(opend.url, trace=lines.append) as client,
        ):
            await client.system.get_global_state()
            await client.quote.subscribe(["HK.00700"], [qot_common.SubType.TICKER])
            arrived = asyncio.Event()
            client.on(qot_update_ticker.Response, lambda _: arrived.set())
            await opend.advance(60.0)
            await arrived.wait()

    asyncio.run(scenario())
    told = outlines(lines)
    assert told[:4] == ORDER
    assert "← 3011 Qot_UpdateTicker s2c" in told


# Secrets.


def owners() -> Iterator[tuple[type[Struct], str]]:
    """Message classes with the attribute that is a secret."""
    for full_name in SECRETS:
        message, _, name = full_name.rpartition(".")
        cls = CLASSES[message]
        (attribute,) = [row[1] for row in codec.plan_of(cls).fields if row[2] == name]
        yield cls, attribute


OWNERS = list(owners())
each_secret = pytest.mark.parametrize(
    ("cls", "attribute"), OWNERS, ids=[f"{c.__module__}.{a}" for c, a in OWNERS]
)


def with_canary(cls: type[Any], attribute: str) -> Any:
    return cls(**{**asdict_flat(sample(cls, False)), attribute: CANARY})


def asdict_flat(message: Struct) -> dict[str, Any]:
    return {name: getattr(message, name) for name in message.__struct_fields__}


def wrapped(message: Struct) -> Iterator[Struct]:
    """The message within each message that can hold it, as far out as it goes."""
    yield message
    for outer in CLASSES.values():
        for row in codec.plan_of(outer).fields:
            if row[6] is type(message):
                value = (message,) if row[5] == "repeated" else message
                yield from wrapped(outer(**{**asdict_flat(sample(outer, False)), row[1]: value}))


def test_the_table_and_the_classes_name_the_same_secrets() -> None:
    assert {(cls, name) for cls in CLASSES.values() for name in secrets_of(cls)} == set(OWNERS)
    assert len(OWNERS) >= 7


@each_secret
def test_no_secret_is_in_a_text_of_its_message(cls: type[Struct], attribute: str) -> None:
    shows: list[Callable[[Any], str]] = [
        repr,
        str,
        "{}".format,
        "{!a}".format,
        pprint.pformat,
        pretty_repr,
    ]
    for message in wrapped(with_canary(cls, attribute)):
        for show in shows:
            assert CANARY not in show(message)
            assert CANARY not in show([message])
        assert f"{attribute}='…'" in repr(message)


def test_an_absent_secret_shows_as_absent() -> None:
    for cls, attribute in OWNERS:
        least = sample(cls, False)
        if getattr(least, attribute) is None:
            assert f"{attribute}=None" in repr(least)
    assert "pwd_md5=None" in repr(trd_unlock_trade.C2S(unlock=False))


def frames_with(message: Struct) -> Iterator[Envelope]:
    """Packets that carry the message, in every body format."""
    for outer in wrapped(message):
        module = type(outer).__module__.rpartition(".")[2]
        ids = [row.proto_id for row in registry.rows() if row.module == module]
        if type(outer).__name__ in ("Request", "Response"):
            for proto_id in ids or [INIT_WEB_SOCKET]:
                yield packet(proto_id, outer)
                yield packet(proto_id, outer, 1)


@each_secret
def test_no_secret_is_in_the_trace(cls: type[Struct], attribute: str) -> None:
    envelopes = list(frames_with(with_canary(cls, attribute)))
    assert len(envelopes) >= 2
    for envelope in envelopes:
        account = Account.of(envelope)
        assert account.message is not None
        assert CANARY in str(asdict_deep(account.message))
        told = account.line("@0") + repr(account.plain())
        assert CANARY not in told
        assert MASK in told
        assert CANARY not in repr(account)
        for direction in ("sent", "received"):
            assert CANARY not in traced(envelope, direction)
            # Cut and spoilt, too: what does not decode is shown by its reason only.
            for at in range(0, len(envelope.body), 3):
                cut = Envelope(envelope.proto_id, 3, envelope.body_format, envelope.body[:at])
                assert CANARY not in traced(cut, direction)


def asdict_deep(message: Struct) -> dict[str, Any]:
    return {
        name: asdict_deep(value) if isinstance(value, Struct) else value
        for name, value in asdict(message).items()
    }


def failures(cls: type[Any], attribute: str) -> Iterator[Callable[[], object]]:
    """What goes wrong around a message that holds a secret."""
    message = with_canary(cls, attribute)
    json_body = codec.encode_json(message)
    text = json.dumps(CANARY)
    yield lambda: codec.decode(cls, codec.encode(message)[:-1])
    yield lambda: codec.decode_json(cls, json_body[:-1])
    for bad in (f"[{text}]", f'{{"x": {text}}}'):
        yield partial(codec.decode_json, cls, json_body.replace(text.encode(), bad.encode()))
    for value in (CANARY.encode(), [CANARY], {"x": CANARY}, "\ud800" + CANARY):
        wrong = cls(**{**asdict_flat(message), attribute: value})
        yield partial(codec.encode, wrong)
        yield partial(codec.encode_json, wrong)
    yield lambda: cls(**asdict_flat(message), nothing=CANARY)
    yield lambda: setattr(message, attribute, 5)
    yield lambda: codec.encode_frame(message, -1, 0)


@each_secret
def test_no_secret_is_in_an_error_or_its_traceback(cls: type[Any], attribute: str) -> None:
    for fail in failures(cls, attribute):
        with pytest.raises((FutukitError, TypeError, AttributeError, OverflowError)) as caught:
            fail()
        text = "".join(traceback.format_exception(caught.value)) + repr(caught.value)
        assert CANARY not in text
        assert all(CANARY not in str(fact) for fact in vars(caught.value).values())


def test_a_masked_message_is_otherwise_like_any_other() -> None:
    message = trd_unlock_trade.C2S(unlock=True, pwd_md5=CANARY)
    assert isinstance(message, Masked)
    assert message.pwd_md5 == asdict(message)["pwd_md5"] == CANARY
    assert message == trd_unlock_trade.C2S(unlock=True, pwd_md5=CANARY)
    assert message != trd_unlock_trade.C2S(unlock=True, pwd_md5="other")
    assert codec.decode(trd_unlock_trade.C2S, codec.encode(message)) == message
    assert codec.plan_of(trd_unlock_trade.C2S).direct
    config = trd_unlock_trade.C2S.__struct_config__
    assert (config.frozen, config.gc, config.weakref, config.dict) == (True, False, False, False)
    with pytest.raises(AttributeError):
        message.pwd_md5 = "x"  # type: ignore[misc]
    with pytest.raises(TypeError):
        trd_unlock_trade.C2S(True)  # type: ignore[call-arg]
    assert repr(message) == "C2S(unlock=True, pwd_md5='…', security_firm=None)"
    plain = {"unlock": True, "pwdMD5": CANARY}
    assert from_plain(trd_unlock_trade.C2S, plain) == message
