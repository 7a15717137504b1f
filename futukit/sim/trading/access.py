"""Who may trade and who is told: the lock on real accounts, account pushes, replayed packets."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Iterable

from futukit.messages.common import PacketID
from futukit.messages.trd_common import SecurityFirm
from futukit.sim.refusal import LOCKED, REPLAYED, WRONG_PASSWORD, RefusalError
from futukit.sim.trading.accounts import Account

__all__ = ["Access"]


class Access:
    """The lock acts on the whole OpenD; pushes and packets belong to one connection."""

    def __init__(self, trade_password: str, firms: Iterable[SecurityFirm]) -> None:
        self._digest = hashlib.md5(trade_password.encode(), usedforsecurity=False).hexdigest()
        self._firms = frozenset(firms)
        self._unlocked: set[SecurityFirm] = set()
        self._followed: dict[int, frozenset[int]] = {}
        self._serials: dict[int, set[int]] = {}

    # The lock.

    def unlock(self, password_md5: str | None, firm: SecurityFirm | None) -> None:
        """Unlock the real accounts of a firm (of all, without one) by the MD5 of the password."""
        firms = self._of(firm)
        if not password_md5:
            raise RefusalError("pwdMD5 is needed to unlock trading", WRONG_PASSWORD)
        given = password_md5.strip().lower().encode()
        if not hmac.compare_digest(given, self._digest.encode()):
            raise RefusalError("the trade password is wrong", WRONG_PASSWORD)
        self._unlocked |= firms

    def lock(self, firm: SecurityFirm | None) -> None:
        """Lock the real accounts of a firm, of all without one."""
        self._unlocked -= self._of(firm)

    def check_unlocked(self, account: Account) -> None:
        """Raise RefusalError for a real account whose firm is locked."""
        if account.real and account.firm not in self._unlocked:
            raise RefusalError("trading is locked: unlock it with the trade password", LOCKED)

    def _of(self, firm: SecurityFirm | None) -> frozenset[SecurityFirm]:
        if not firm:
            return self._firms
        if firm not in self._firms:
            raise RefusalError(f"there is no account at securityFirm {int(firm)}")
        return frozenset((firm,))

    # Pushes.

    def follow(self, connection_id: int, account_ids: Iterable[int]) -> None:
        """Push these accounts' orders and fills to a connection, and no other account's."""
        self._followed[connection_id] = frozenset(account_ids)

    def followers(self, account_id: int) -> list[int]:
        """The connections that an account's pushes go to."""
        return [one for one, wanted in self._followed.items() if account_id in wanted]

    def forget(self, connection_id: int) -> None:
        """A connection is gone."""
        self._followed.pop(connection_id, None)
        self._serials.pop(connection_id, None)

    # Packets.

    def take_packet(self, connection_id: int, packet: PacketID) -> None:
        """Raise RefusalError for a packet of another connection or one that came before."""
        if packet.conn_id != connection_id:
            raise RefusalError(
                f"packetID.connID is {packet.conn_id}, this connection is {connection_id}", REPLAYED
            )
        used = self._serials.setdefault(connection_id, set())
        if packet.serial_no in used:
            raise RefusalError(
                f"packetID.serialNo {packet.serial_no} was used before on this connection", REPLAYED
            )
        used.add(packet.serial_no)
