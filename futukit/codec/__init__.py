"""Bytes ↔ messages. Protobuf here; every body format maps through the same plans.

>>> from futukit.messages import keep_alive
>>> decode(keep_alive.C2S, encode(keep_alive.C2S(time=5)))
C2S(time=5)
"""

from __future__ import annotations

from futukit._native.wire import (
    MAX_BODY_BYTES,
    MAX_CELLS,
    Plan,
    PushSink,
)
from futukit._native.wire import (
    decode_as as decode,
)
from futukit._native.wire import (
    encode_message as encode,
)
from futukit._native.wire import (
    encode_message_frame as encode_frame,
)
from futukit.codec.plan import define, plan_of

__all__ = [
    "MAX_BODY_BYTES",
    "MAX_CELLS",
    "Plan",
    "PushSink",
    "decode",
    "define",
    "encode",
    "encode_frame",
    "plan_of",
]
