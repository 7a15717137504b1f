"""Public methods of the official contexts that have no case."""

from __future__ import annotations

from typing import Final

SET_UP: Final = {
    "close": "ends every context",
    "conn_str": "the connection's id in words of the SDK's log",
    "get_async_conn_id": "test_contexts.py",
    "get_sync_conn_id": "test_contexts.py",
    "is_encrypt": "test_contexts.py",
    "reconnect_interval": "test_contexts.py",
    "set_handler": "test_pushes.py",
    "set_sync_query_connect_timeout": "test_contexts.py",
    "start": "test_pushes.py",
    "status": "test_contexts.py",
    "stop": "test_pushes.py",
}
"""Methods without a case, and where else they are compared."""

INTERNAL: Final = frozenset(
    {
        "can_send_proto",
        "handle_packet",
        "handle_push",
        "keep_alive",
        "metaclass__",
        "on_api_socket_reconnected",
        "on_async_sub_acc_push",
        "on_connect",
        "on_disconnect",
        "on_recv",
        "on_tick",
        "packet_callback",
    }
)
"""What the official SDK's own threads call; no program does."""
