"""How much one request may ask for, by proto id, from OpenD's documented limits."""

from __future__ import annotations

from typing import Final

from futukit.sim.refusal import RefusalError

__all__ = ["MAX_CODES", "MAX_ROWS", "check_codes", "check_rows"]

MAX_CODES: Final[dict[int, int]] = {
    2223: 100,
    2225: 400,
    3203: 400,
    3207: 200,
    3218: 200,
    3223: 400,
    3303: 500,
}
"""Proto id → most securities (2225: orders) in one request."""

MAX_ROWS: Final[dict[int, int]] = {
    3006: 1000,
    3010: 1000,
    3100: 1000,
    3103: 1000,
    3210: 200,
    3215: 200,
    3225: 50,
    3227: 50,
    3230: 20,
    3233: 50,
    3235: 50,
    3236: 50,
    3238: 50,
    3239: 50,
    3240: 50,
    3241: 20,
    3242: 50,
    3246: 50,
    3248: 50,
    3249: 50,
    3252: 300,
    3253: 1000,
    3262: 100,
    3263: 100,
    3305: 200,
    3306: 200,
    3307: 300,
    3308: 500,
    3311: 500,
    3313: 500,
    3403: 1000,
    3406: 300,
    3407: 300,
    3409: 100,
    3410: 200,
    3411: 200,
    3412: 200,
    3413: 200,
    3414: 200,
    3415: 35,
    3416: 200,
    3417: 200,
    3418: 200,
    3421: 200,
    3422: 200,
    3423: 200,
    3425: 200,
    3426: 20,
    3427: 50,
    3431: 200,
    3432: 200,
    3447: 1000,
    3448: 1000,
}
"""Proto id → most rows that a request may ask for (num, count, maxRetNum …)."""


def check_codes(proto_id: int, asked: int) -> None:
    """Raise RefusalError when a request names more securities than its id allows."""
    limit = MAX_CODES.get(proto_id)
    if limit is not None and asked > limit:
        raise RefusalError(f"{asked} codes in one request, at most {limit} are allowed")


def check_rows(proto_id: int, asked: int, name: str) -> None:
    """Raise RefusalError unless 1 ≤ ``asked`` ≤ the limit of the id; ``name`` is its field."""
    if asked < 1:
        raise RefusalError(f"{name} is {asked}: at least 1 is needed")
    limit = MAX_ROWS.get(proto_id)
    if limit is not None and asked > limit:
        raise RefusalError(f"{name} is {asked}: at most {limit} is allowed")
