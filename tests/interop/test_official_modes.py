"""What the official Python SDK and the simulator put on the wire in each mode."""

from __future__ import annotations

from pathlib import Path

import pytest

from futukit import sync
from futukit.errors import ServerError
from futukit.sim import SimulatedOpenD
from tests.interop.modes import Mode
from tests.interop.official import OfficialSDK
from tests.interop.relay import Frame, Relay

RSA_BLOCK_BYTES = 128
AES_BLOCK_BYTES = 16
FTAES_TAIL = bytes(AES_BLOCK_BYTES - 1)


def fits_cipher(frame: Frame, cipher: str) -> bool:
    """Whether a body looks as the cipher leaves it."""
    whole_blocks = len(frame.body) % AES_BLOCK_BYTES == 0
    tailed = whole_blocks and frame.body[-AES_BLOCK_BYTES:-1] == FTAES_TAIL
    if cipher == "ftaes_ecb":
        return tailed and not frame.in_clear
    if cipher == "aes_cbc":
        return whole_blocks and not tailed and not frame.in_clear
    return frame.in_clear


@pytest.mark.every_mode
def test_frames_are_sealed_and_in_the_format_that_was_agreed(
    sdk: OfficialSDK, sim: SimulatedOpenD, mode: Mode
) -> None:
    """The SDK seals its InitConnect whenever it has a key, the answer only if it encrypts."""
    with Relay(sim.port) as relay:
        official = sdk.connect(relay.port)
        hello, welcome = relay.greetings()
        assert hello.in_clear is not mode.has_key
        assert welcome.in_clear is (mode.cipher == "none")
        for frame in (hello, welcome):
            assert frame.in_clear or len(frame.body) % RSA_BLOCK_BYTES == 0

        official.ok("get_global_state")
        official.ok("subscribe", code_list=["HK.00700"], subtype_list=["TICKER"])
        official.pushed("ticker", 1)
        sim.advance(30)
        official.pushed("ticker", 1)
        frames = [hello, welcome]
        for proto_id in (1002, 3001, 3011):
            exchanged = relay.wait_for(proto_id, 2)
            assert all(fits_cipher(frame, mode.cipher) for frame in exchanged)
            frames += exchanged
        assert {frame.body_format for frame in frames} == {1 if mode.body == "json" else 0}
        official.close()


@pytest.mark.every_mode
def test_our_client_is_served_beside_the_sdk_in_every_mode(
    sdk: OfficialSDK, sim: SimulatedOpenD, mode: Mode, key_file: Path
) -> None:
    """The same simulator serves a client without a key, one with it, and one in JSON."""
    official = sdk.connect(sim.port)
    state = official.ok("get_global_state")
    outcome, refusal, *_ = official.call("get_stock_quote", code_list=["HK.00700"])
    assert outcome == -1
    keyed = {"rsa_key": str(key_file)} if mode.has_key else {}
    for options in ({}, {"body": "json"}, keyed, {**keyed, "body": "json"}):
        with sync.connect(sim.url, **options) as client:
            ours = client.system.get_global_state()
            granted = "ftaes_ecb" if mode.grants == "ftaes_ecb" else "aes_cbc"
            assert client.encryption == (granted if "rsa_key" in options else "none")
            with pytest.raises(ServerError) as caught:
                client.quote.get_basic_qot(security_list=["HK.00700"])
        assert caught.value.ret_msg == refusal
        assert str(ours.time) == state["timestamp"]
        assert str(ours.server_ver) == state["server_ver"]
    official.close()
