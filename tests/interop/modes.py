"""The ways in which the official Python SDK can be told to talk."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Literal


@dataclass(frozen=True, kw_only=True)
class Mode:
    """Settings of the SDK and of the simulator, and the cipher that must come of them.

    has_key: both sides hold the same RSA key; encrypt: the SDK asks for encryption; grants: the
    simulator's setting for what it gives.
    """

    name: str
    cipher: Literal["none", "ftaes_ecb", "aes_cbc"] = "none"
    body: Literal["protobuf", "json"] = "protobuf"
    has_key: bool = False
    encrypt: bool = False
    grants: str = "any"

    @property
    def reads_bytes(self) -> bool:
        """Whether the SDK can read a field of bytes. In JSON it cannot, and such an answer is lost.

        The fields are the keys of the next page: in JSON, everything has to come in one page.
        """
        return self.body != "json"

    def simulator(self, key_file: Path) -> dict[str, Any]:
        """The simulator's settings."""
        return {"rsa_key": str(key_file), "encryption": self.grants} if self.has_key else {}


_KEYED: Final[dict[str, Any]] = {"has_key": True, "encrypt": True}

MODES: Final = (
    Mode(name="plain"),
    Mode(name="aes_cbc", cipher="aes_cbc", **_KEYED),
    # The SDK asks for AES_CBC here too, and takes FTAES_ECB when no IV comes.
    Mode(name="ftaes_ecb", cipher="ftaes_ecb", grants="ftaes_ecb", **_KEYED),
    Mode(name="json", body="json"),
    Mode(name="json_aes_cbc", cipher="aes_cbc", body="json", **_KEYED),
    # The SDK seals InitConnect by RSA all the same, and wants its answer in clear.
    Mode(name="key_unused", has_key=True),
)
"""The first is the one for tests that need no particular one."""
