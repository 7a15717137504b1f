"""Messages of an open WebSocket: whole, in pieces, between control frames; and what ends it."""

from __future__ import annotations

import tracemalloc

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from websockets.frames import Close, Opcode
from websockets.protocol import State

from futukit.core.links.websocket_frames import cut_messages, frame_extent
from futukit.errors import (
    BadLength,
    BadMagic,
    ConnectionLost,
    FrameError,
    FutukitError,
    UnexpectedPacket,
)
from tests.unit.links.sockets import (
    CAP,
    End,
    TheirClient,
    TheirServer,
    closed_with,
    frame,
    open_client,
    open_server,
    our_client,
    our_server,
)

ROLES = [pytest.param(False, id="client"), pytest.param(True, id="server")]


def opened(server: bool) -> End:
    return open_server() if server else open_client()


def ended(end: End, kind: type[FutukitError]) -> str:
    with pytest.raises(kind) as caught:
        end.socket.check()
    assert type(caught.value) is kind
    return str(caught.value)


@pytest.mark.parametrize("server", ROLES)
@pytest.mark.parametrize("size", [0, 1, 2, 3, 125, 126, 127, 999, CAP])
def test_messages_of_every_size_arrive(server: bool, size: int) -> None:
    end = opened(server)
    message = bytes(range(256)) * 4
    end.feed(frame(message[:size], masked=server) * 3)
    assert end.messages == [message[:size]] * 3
    assert end.socket.offset == 3 * size
    end.socket.check()


@pytest.mark.parametrize("server", ROLES)
def test_large_messages_arrive_in_reads_of_any_size(server: bool) -> None:
    end = (open_server if server else open_client)(cap=200_000)
    messages = [bytes([number]) * size for number, size in enumerate((65535, 65536, 200_000, 5))]
    data = b"".join(frame(message, masked=server) for message in messages)
    for at in range(0, len(data), 4099):
        end.feed(data[at : at + 4099])
    assert end.messages == messages
    end.socket.eof()


@pytest.mark.parametrize("server", ROLES)
def test_a_message_in_fragments_is_put_together_around_control_frames(server: bool) -> None:
    end = opened(server)
    end.feed(frame(b"whole", masked=server))
    for number, data in enumerate((b"a", b"", b"b" * 400, b"c")):
        opcode = Opcode.CONT if number else Opcode.BINARY
        end.feed(frame(data, opcode, fin=number == 3, masked=server))
        end.feed(frame(b"p", Opcode.PING, masked=server))
        end.feed(frame(b"", Opcode.PONG, masked=server))
    end.feed(frame(b"next", masked=server))
    assert end.messages == [b"whole", b"a" + b"b" * 400 + b"c", b"next"]
    end.socket.check()


@pytest.mark.parametrize("server", ROLES)
@settings(max_examples=60, deadline=None)
@given(data=st.data())
def test_any_frames_in_any_pieces_give_the_messages(server: bool, data: st.DataObject) -> None:
    """Against the library's own writer: fragments, pings and pongs, cut anywhere."""
    sizes = st.sampled_from([0, 1, 2, 5, 124, 125, 126, 130, 500])
    messages = [
        data.draw(st.integers(0, 255)).to_bytes(1, "big") * size
        for size in data.draw(st.lists(sizes, max_size=6))
    ]
    stream = b""
    for message in messages:
        cuts = sorted(data.draw(st.lists(st.integers(0, len(message)), max_size=2)))
        starts, ends = [0, *cuts], [*cuts, len(message)]
        for number, (start, stop) in enumerate(zip(starts, ends, strict=True)):
            opcode = Opcode.CONT if number else Opcode.BINARY
            fin = number == len(cuts)
            stream += frame(message[start:stop], opcode, fin=fin, masked=server)
            if data.draw(st.booleans()):
                stream += frame(b"?", Opcode.PING, masked=server)
    end = opened(server)
    step = data.draw(st.sampled_from([1, 2, 3, 7, 64, 10_000]))
    for at in range(0, len(stream), step):
        end.feed(stream[at : at + step])
    end.socket.check()
    assert end.messages == messages
    assert end.socket.offset == sum(map(len, messages))
    end.socket.eof()


@pytest.mark.parametrize("server", ROLES)
def test_what_is_sent_the_library_reads(server: bool) -> None:
    messages = [b"", b"x" * 125, b"y" * 126, b"z" * 70_000]
    if server:
        end, client = our_server(), TheirClient()
        end.feed(client.opening())
        client.answer(end.socket.take() + b"".join(map(end.socket.send, messages)))
        assert [bytes(frame.data) for frame in client.frames] == messages
    else:
        end, peer = our_client(), TheirServer()
        end.socket.start()
        end.feed(peer.answer(end.socket.take()))
        peer.answer(b"".join(map(end.socket.send, messages)))
        assert [bytes(frame.data) for frame in peer.frames] == messages


def test_only_what_a_client_sends_is_masked() -> None:
    secret = b"0123456789abcdef"
    assert secret in open_server().socket.send(secret)
    assert secret not in open_client().socket.send(secret)


# Control frames.


@pytest.mark.parametrize("server", ROLES)
def test_a_ping_is_answered_with_its_own_content(server: bool) -> None:
    end = opened(server)
    end.feed(frame(b"are you there", Opcode.PING, masked=server))
    pong = end.socket.take()
    assert (pong[0], pong[1] & 0x7F) == (0x8A, 13)
    assert end.socket.take() == b""
    assert server is (b"are you there" in pong)


def test_many_pings_at_once_get_one_pong_the_last() -> None:
    end = open_server()
    pings = [frame(b"%d" % number, Opcode.PING, masked=True) for number in range(20_000)]
    end.feed(b"".join(pings))
    assert end.socket.take() == b"\x8a\x0519999"


def test_a_pong_goes_before_what_is_sent_after_it() -> None:
    end = open_server()
    end.feed(frame(b"1", Opcode.PING, masked=True))
    assert end.socket.send(b"answer") == b"\x8a\x011" + frame(b"answer")
    assert end.socket.take() == b""


@pytest.mark.parametrize("server", ROLES)
def test_a_ping_of_ours_and_the_pong_to_it(server: bool) -> None:
    end = opened(server)
    ping = end.socket.ping()
    assert (ping[0], ping[1] & 0x7F) == (0x89, 0)
    end.feed(frame(b"", Opcode.PONG, masked=server))
    end.socket.check()
    assert end.socket.take() == b""


def test_there_is_no_ping_before_the_opening() -> None:
    end = our_client()
    end.socket.start()
    assert end.socket.ping() == b""


# The end.


@pytest.mark.parametrize("server", ROLES)
@pytest.mark.parametrize(
    ("close", "shown"),
    [
        (Close(1000, ""), "1000 normal closure"),
        (Close(1001, "bye\nnow"), "1001 going away: bye?now"),
        (Close(4321, "x" * 100), "4321: " + "x" * 60),
        (None, "without a code"),
    ],
)
def test_a_close_frame_ends_with_its_reason_and_is_answered(
    server: bool, close: Close | None, shown: str
) -> None:
    end = opened(server)
    payload = close.serialize() if close else b""
    end.feed(
        frame(b"before", masked=server)
        + frame(payload, Opcode.CLOSE, masked=server)
        + frame(b"behind", masked=server)
    )
    assert end.messages == [b"before"]
    assert ended(end, ConnectionLost) == f"the peer closed the WebSocket ({shown})"
    answer = end.socket.take()
    assert (answer[0], answer[1] & 0x7F) == (0x88, len(payload))
    with pytest.raises(ConnectionLost):
        end.socket.eof()
    assert end.socket.send(b"x") == end.socket.ping() == end.socket.finish() == b""


@pytest.mark.parametrize("server", ROLES)
def test_finish_closes_in_order_for_the_library(server: bool) -> None:
    if server:
        end, client = our_server(), TheirClient()
        end.feed(client.opening())
        answer = client.answer(end.socket.take() + end.socket.finish())
        assert client.protocol.close_rcvd == Close(1000, "")
    else:
        end, peer = our_client(), TheirServer()
        end.socket.start()
        end.feed(peer.answer(end.socket.take()))
        answer = peer.answer(end.socket.finish())
        assert peer.protocol.close_rcvd == Close(1000, "")
    assert end.socket.send(b"too late") == b""
    end.feed(answer)
    assert "1000" in ended(end, ConnectionLost)
    assert end.socket.take() == b""


def test_finish_gives_what_was_still_to_be_written_first() -> None:
    end = open_server()
    end.feed(frame(b"1", Opcode.PING, masked=True))
    assert end.socket.finish().startswith(b"\x8a\x011\x88")


def test_finish_within_the_opening_says_nothing_more() -> None:
    end, server = our_client(), TheirServer()
    end.socket.start()
    request = end.socket.take()
    end.socket.send(b"waits")
    assert end.socket.finish() == b""
    end.feed(server.answer(request))
    assert end.socket.take() == end.socket.send(b"x") == b""


@pytest.mark.parametrize("server", ROLES)
def test_the_end_of_the_stream_between_messages_is_no_error(server: bool) -> None:
    end = opened(server)
    end.feed(frame(b"all", masked=server))
    end.socket.eof()
    end.socket.eof()
    end.feed(b"nothing counts any more")
    end.socket.check()
    assert end.messages == [b"all"]


@pytest.mark.parametrize("server", ROLES)
@pytest.mark.parametrize("size", [5, 200])
def test_the_end_of_the_stream_within_a_message_is_a_bad_length(server: bool, size: int) -> None:
    whole = frame(b"x" * size, masked=server)
    for cut in range(1, len(whole)):
        end = opened(server)
        end.feed(frame(b"12", masked=server) + whole[:cut])
        with pytest.raises(BadLength) as caught:
            end.socket.eof()
        assert caught.value.offset == 2
    end = opened(server)
    end.feed(frame(b"begun", fin=False, masked=server))
    with pytest.raises(BadLength):
        end.socket.eof()


def test_clear_forgets_and_goes_deaf() -> None:
    end = open_client()
    end.feed(frame(b"half")[:-1])
    end.socket.clear()
    end.feed(b"f" + frame(b"more"))
    end.socket.eof()
    assert end.messages == []


# What breaks the rules.


@pytest.mark.parametrize("server", ROLES)
@pytest.mark.parametrize("fin", [True, False])
def test_text_is_refused_with_1003(server: bool, fin: bool) -> None:
    end = opened(server)
    end.feed(frame(b"ok", masked=server) + frame(b"{}", Opcode.TEXT, fin=fin, masked=server))
    end.feed(frame(b"behind", masked=server))
    assert end.messages == [b"ok"]
    assert ended(end, UnexpectedPacket).startswith("a text message, where all are binary")
    assert closed_with(end.socket.take(), masked=not server) == 1003


@pytest.mark.parametrize("server", ROLES)
@pytest.mark.parametrize("size", [CAP + 1, 70_000, 2**40, 2**64 - 1])
def test_a_message_over_the_cap_is_refused_at_its_header(server: bool, size: int) -> None:
    end = opened(server)
    mask = 0x80 if server else 0
    if size < 65536:
        head = bytes((0x82, 126 | mask)) + size.to_bytes(2, "big")
    else:
        head = bytes((0x82, 127 | mask)) + size.to_bytes(8, "big")
    end.feed(frame(b"1234", masked=server) + head)
    with pytest.raises(BadLength, match="a message of more than 1000 bytes") as caught:
        end.socket.check()
    assert caught.value.offset == 4
    assert closed_with(end.socket.take(), masked=not server) == 1009


@pytest.mark.parametrize("server", ROLES)
def test_fragments_count_together_towards_the_cap(server: bool) -> None:
    end = opened(server)
    end.feed(frame(b"x" * 600, fin=False, masked=server))
    end.feed(frame(b"x" * 400, Opcode.CONT, fin=False, masked=server))
    end.socket.check()
    end.feed(frame(b"x", Opcode.CONT, masked=server))
    ended(end, BadLength)
    assert closed_with(end.socket.take(), masked=not server) == 1009
    assert end.messages == []


def test_what_comes_after_the_cap_was_broken_is_not_kept() -> None:
    end = open_client()
    end.feed(b"\x82\x7f" + (2**30).to_bytes(8, "big"))
    tracemalloc.start()
    for _ in range(200):
        end.feed(bytes(65536))
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 1_000_000


def test_empty_fragments_without_an_end_fill_no_memory() -> None:
    end = open_client()
    end.feed(frame(b"", fin=False))
    empty = frame(b"", Opcode.CONT, fin=False) * 500
    end.feed(empty)
    tracemalloc.start()
    for _ in range(20):
        end.feed(empty)
    kept, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert kept < 50_000


@pytest.mark.parametrize("server", ROLES)
@pytest.mark.parametrize(
    "head",
    [
        pytest.param(b"\xc2\x00", id="reserved bit"),
        pytest.param(b"\x83\x00", id="unknown opcode"),
        pytest.param(b"\x80\x00", id="continuation of nothing"),
        pytest.param(b"\x09\x00", id="ping in fragments"),
        pytest.param(b"\x89\x7e\x00\x7e" + bytes(126), id="long ping"),
        pytest.param(b"\x88\x01\x00", id="half a close code"),
        pytest.param(b"\x88\x02\x00\x01", id="impossible close code"),
        pytest.param(b"\x88\x04\x03\xe8\xff\xfe", id="close reason that is no text"),
    ],
)
def test_frames_that_break_the_rfc_end_the_connection(server: bool, head: bytes) -> None:
    end = opened(server)
    if server:
        cut = 4 if head[1] == 126 else 2
        head = head[:1] + bytes((head[1] | 0x80,)) + head[2:cut] + bytes(4) + head[cut:]
    end.feed(frame(b"ok", masked=server) + head)
    assert end.messages == [b"ok"]
    assert ended(end, FrameError).startswith("no WebSocket frame: ")
    assert end.socket.take()[0] == 0x88


@pytest.mark.parametrize("server", ROLES)
def test_a_wrong_mask_is_refused(server: bool) -> None:
    wrong = frame(b"x" * 300, masked=not server)
    for data in (wrong, wrong[: 4 if server else 8], frame(b"", masked=not server)):
        end = opened(server)
        end.feed(data)
        assert "masking" in ended(end, FrameError)
        assert closed_with(end.socket.take(), masked=not server) == 1002
        assert end.messages == []


@pytest.mark.parametrize("server", ROLES)
def test_a_message_within_another_is_refused(server: bool) -> None:
    end = opened(server)
    end.feed(frame(b"begun", fin=False, masked=server) + frame(b"other", masked=server))
    assert end.messages == []
    assert "continuation" in ended(end, FrameError)


@settings(max_examples=200, deadline=None)
@given(garbage=st.binary(min_size=1, max_size=300), server=st.booleans(), step=st.integers(1, 50))
def test_garbage_ends_in_a_documented_error_or_in_messages(
    garbage: bytes, server: bool, step: int
) -> None:
    end = opened(server)
    for at in range(0, len(garbage), step):
        end.feed(garbage[at : at + step])
    try:
        end.socket.eof()
    except (FrameError, UnexpectedPacket, ConnectionLost):
        return


@settings(max_examples=100, deadline=None)
@given(garbage=st.binary(max_size=200), server=st.booleans())
def test_garbage_in_the_handshake_ends_in_a_handshake_error(garbage: bytes, server: bool) -> None:
    end = our_server() if server else our_client()
    end.socket.start()
    end.feed(garbage)
    with pytest.raises(FutukitError, match=r"WebSocket|HTTP"):
        end.socket.eof()


@pytest.mark.parametrize("server", ROLES)
def test_a_message_that_is_refused_by_its_taker_closes_with_1007(server: bool) -> None:
    end = opened(server)

    def refuse(message: bytes | bytearray) -> None:
        end.take(message)
        if message == b"bad":
            raise BadMagic("not ours", 7)

    stream = b"".join(frame(data, masked=server) for data in (b"good", b"bad", b"later"))
    end.socket.feed(stream, refuse)
    assert end.messages == [b"good", b"bad"]
    assert ended(end, BadMagic) == "not ours (at byte 7)"
    assert closed_with(end.socket.take(), masked=not server) == 1007


# Cutting.


@given(
    size=st.sampled_from([0, 1, 125, 126, 65535, 65536, 70_000]),
    masked=st.booleans(),
    before=st.integers(0, 3),
)
def test_the_extent_of_a_frame_is_what_the_library_wrote(
    size: int, masked: bool, before: int
) -> None:
    payload = bytes(size)
    data = bytes(before) + frame(payload, masked=masked)
    extent = frame_extent(data, before)
    assert extent is not None
    start, stop = extent
    assert (stop - start, stop) == (size, len(data))
    header = start - (4 if masked else 0)
    assert all(frame_extent(data[:cut], before) is None for cut in range(before, header))


def test_cutting_stops_before_everything_that_is_not_a_whole_message() -> None:
    taken: list[bytes | bytearray] = []
    whole = frame(b"abc") + frame(b"d" * 200)
    for rest in (frame(b"p", Opcode.PING), frame(b"xyz")[:-1], frame(b"m" * 300), b"\x82", b""):
        taken.clear()
        assert cut_messages(whole + rest, 0, 250, taken.append) == (len(whole), 203)
        assert taken == [b"abc", b"d" * 200]


def test_closing_by_the_library_is_understood() -> None:
    end, server = our_client(), TheirServer()
    end.socket.start()
    end.feed(server.answer(end.socket.take()))
    server.protocol.send_close(1001, "restart")
    end.feed(server.answer(b""))
    assert "1001 going away: restart" in ended(end, ConnectionLost)
    server.answer(end.socket.take())
    assert server.protocol.close_sent == server.protocol.close_rcvd == Close(1001, "restart")
    server.protocol.receive_eof()
    assert server.protocol.state is State.CLOSED
