"""Strict reading of protobuf: known fields only, at every depth, and every required one.

The ordinary decoder skips what it does not know, as protobuf wants it. Where bytes may be one of
two messages, only a strict parse can tell which. A field with another wire type than its own is
unknown, as it is to protobuf; numbers of a repeated field may come packed or not. The number of
an enum that has no name is known.

A strict parse is the ordinary decoder with these two rules, so it takes no longer.
"""

from __future__ import annotations

from futukit._native.wire import decode_strict

__all__ = ["decode_strict"]
