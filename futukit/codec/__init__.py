"""Bytes ↔ messages, as protobuf or as JSON: every body format maps through the same plans.

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
from futukit.codec.body import decode_body, encode_body
from futukit.codec.json_body import decode_json, encode_json
from futukit.codec.plan import define, plan_of

__all__ = [
    "MAX_BODY_BYTES",
    "MAX_CELLS",
    "Plan",
    "PushSink",
    "decode",
    "decode_body",
    "decode_json",
    "define",
    "encode",
    "encode_body",
    "encode_frame",
    "encode_json",
    "plan_of",
]
