"""The official API's constants that stand alone, and the few look-ups that go with them."""

from __future__ import annotations

from typing import Final, NamedTuple

from futukit.futu._enums import ProtoFMT, SecurityFirm, SubType, TrdEnv, TrdMarket
from futukit.futu.outcome import RET_ERROR, RET_OK

__all__ = [
    "API_PROTO_VER",
    "CLIENT_VERSION",
    "DEFAULT_INIT_PRI_KEY_FILE",
    "DEFULAT_CLIENT_ID",
    "DEFULAT_PROTO_FMT",
    "EMPTY_STRING",
    "ERROR_STR_PREFIX",
    "KLINE_SUBTYPE_LIST",
    "MESSAGE_HEAD_FMT",
    "MKT_ENV_ENABLE_MAP",
    "QOT_MARKET_TO_TRD_SEC_MARKET_MAP",
    "RET_ERROR",
    "RET_OK",
    "TRADE",
    "Err",
    "NoneDataType",
    "NoneDataValue",
    "get_string_by_securityFirm",
]

ERROR_STR_PREFIX: Final = "ERROR. "
EMPTY_STRING: Final = ""
#: What stands in a column where OpenD sent nothing.
NoneDataType: Final = "N/A"
NoneDataValue: Final = NoneDataType

#: The header of a frame for ``struct``: magic, proto id, format and version, serial and length,
#: SHA1, reserved.
MESSAGE_HEAD_FMT: Final = "<1s1sI2B2I20s8s"
API_PROTO_VER: Final = 0
DEFULAT_PROTO_FMT: Final[int] = ProtoFMT.Protobuf
#: What the API says about itself when a program has set nothing; major × 100 + minor.
DEFULAT_CLIENT_ID: Final = "PyNormal"
CLIENT_VERSION: Final = 300
#: The name of the key file that the official package brings; there is none here.
DEFAULT_INIT_PRI_KEY_FILE: Final = "conn_key.txt"

#: The subscriptions that are K-lines.
KLINE_SUBTYPE_LIST: Final[list[str]] = [
    SubType.K_DAY,
    SubType.K_MON,
    SubType.K_WEEK,
    SubType.K_1M,
    SubType.K_3M,
    SubType.K_5M,
    SubType.K_10M,
    SubType.K_15M,
    SubType.K_30M,
    SubType.K_60M,
    SubType.K_120M,
    SubType.K_180M,
    SubType.K_240M,
    SubType.K_QUARTER,
    SubType.K_YEAR,
]

#: Number of a quote market (Qot_Common.QotMarket) → of a security's market in trading
#: (Trd_Common.TrdSecMarket).
QOT_MARKET_TO_TRD_SEC_MARKET_MAP: Final[dict[int, int]] = {
    0: 0,
    21: 31,
    22: 32,
    1: 1,
    2: 1,
    11: 2,
    31: 41,
    41: 51,
    51: 61,
    61: 71,
    71: 81,
    81: 91,
    91: 101,
    101: 111,
}

#: Trading market → whether it trades real money, whether on paper.
_TRADED: Final[dict[str, tuple[bool, bool]]] = {
    TrdMarket.NONE: (True, True),
    TrdMarket.HK: (True, True),
    TrdMarket.US: (True, True),
    TrdMarket.HKCC: (True, False),
    TrdMarket.CN: (False, True),
    TrdMarket.FUTURES: (True, True),
    TrdMarket.SG: (True, False),
    TrdMarket.HKFUND: (True, False),
    TrdMarket.USFUND: (True, False),
    TrdMarket.CA: (True, False),
    TrdMarket.MY: (True, False),
    TrdMarket.JP: (True, False),
    TrdMarket.CRYPTO: (True, False),
    TrdMarket.PREDICTION: (True, False),
}

#: Trading market and environment → whether the two go together.
MKT_ENV_ENABLE_MAP: Final[dict[tuple[str, str], bool]] = {
    (market, environment): traded
    for market, both in _TRADED.items()
    for environment, traded in zip((TrdEnv.REAL, TrdEnv.SIMULATE), both, strict=True)
}

_FIRMS: Final[dict[str, str]] = {
    SecurityFirm.FUTUSECURITIES: "FUTU HK",
    SecurityFirm.FUTUINC: "Moomoo US",
    SecurityFirm.FUTUSG: "Moomoo SG",
    SecurityFirm.FUTUAU: "Moomoo AU",
    SecurityFirm.FUTUCA: "Moomoo CA",
    SecurityFirm.FUTUMY: "Moomoo MY",
    SecurityFirm.FUTUJP: "Moomoo JP",
}


def get_string_by_securityFirm(security_enum: str) -> str:  # noqa: N802 - the official name
    """What a broker (:class:`SecurityFirm`) calls itself."""
    return _FIRMS.get(security_enum, "Unknown security")


class TRADE:
    """What the trading markets allow."""

    @staticmethod
    def check_mkt_envtype(trd_mkt: str, trd_env: str) -> bool:
        """Whether this market trades in this environment; False for an unknown one."""
        return MKT_ENV_ENABLE_MAP.get((trd_mkt, trd_env), False)


class _Failure(NamedTuple):
    """One kind of failure: its official number, and our words for it."""

    code: int
    text: str


class Err:
    """Failures that the API finds itself: below 1000 general, from 2000 on in trading."""

    Ok = _Failure(0, "Ok")
    ConnectionLost = _Failure(1, "The connection was lost")
    Timeout = _Failure(2, "No answer in time")
    NotConnected = _Failure(3, "There is no connection")
    PacketDataErr = _Failure(4, "The packet is malformed")
    ConnectionClosed = _Failure(5, "The connection was closed")
    ParamErr = _Failure(6, "A parameter is wrong")
    NotSetRSAFile = _Failure(
        7, "Encryption needs an RSA private key: give its file to SysConfig.set_init_rsa_file"
    )
    RsaErr = _Failure(8, "The RSA key cannot be used")
    WrongType = _Failure(9, "A value has the wrong type")
    WrongValue = _Failure(10, "A value is wrong")
    NoNeedUnlock = _Failure(2000, "This market has no real trading that could be unlocked")
    NoAccForSecurityFirm = _Failure(2001, "No account at this securities firm")
