"""Devices: how many residents one has reported for."""

from collections.abc import Iterable
from datetime import date
from typing import LiteralString

from sqlalchemy.orm import Session

from ledgers.bulk import array_of, together

ENOUGH = 50  # Holders of one device that are kept: more say nothing more.
# No limit for each: hardly more are kept, and a cluster has none beside a list of keys.
_READ: LiteralString = """
    SELECT replace(device::text, '-', ''), replace(holder_id::text, '-', '') FROM device_holder
    WHERE device = ANY(CAST(%(devices)s AS uuid[]))
"""
_ADD: LiteralString = """
    INSERT INTO device_holder (device, holder_id, first_seen_on)
    SELECT * FROM unnest(CAST(%(devices)s AS uuid[]), CAST(%(holders)s AS uuid[]),
        CAST(%(days)s AS date[])) AS d (device, holder, day) ORDER BY 1, 2
    ON CONFLICT DO NOTHING
"""


class Devices:
    """The residents of some devices. A sign, not a lock: two batches at once may each miss one."""

    def __init__(self) -> None:
        self._holders: dict[str, set[str]] = {}
        self._added: dict[tuple[str, str], date] = {}

    @classmethod
    def read(cls, session: Session, devices: Iterable[str]) -> "Devices":
        """One statement, for devices in hexadecimal."""
        found = cls()
        wanted = sorted(set(devices))
        if wanted:
            (rows,) = together(session, (_READ, {"devices": array_of(wanted)}))
            for device, holder in rows:
                found._holders.setdefault(device, set()).add(holder)
        return found

    def add(self, device: str, holder: str, day: date) -> int:
        """The device reported for a resident; answers for how many by now."""
        holders = self._holders.setdefault(device, set())
        if holder not in holders and len(holders) < ENOUGH:
            holders.add(holder)
            self._added[device, holder] = day
        return len(holders)

    def write(self, session: Session) -> None:
        """Write what is new."""
        if self._added:
            parameters = {
                "devices": array_of(device for device, _ in self._added),
                "holders": array_of(holder for _, holder in self._added),
                "days": array_of(self._added.values()),
            }
            together(session, (_ADD, parameters))
