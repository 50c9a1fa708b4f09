"""Refusals of values that district staff enter or upload."""

from collections.abc import Sequence
from typing import NamedTuple
from uuid import UUID

from ledgers.errors import DomainError
from service.language import Text, chosen


class Fault(NamedTuple):
    """What is wrong in one column of one row; ``line`` is None for a value that came alone."""

    line: int | None
    column: str
    why: Text


class ReportedValuesRefused(DomainError):
    """Values that cannot be taken; each fault names line and column. Nothing was written.

    ``rows`` has the first of them, in the caller's language; ``faults`` counts all.
    """

    def __init__(self, found: Sequence[Fault], *, faults: int | None = None) -> None:
        super().__init__("; ".join(_told(each) for each in found))
        self.faults = len(found) if faults is None else faults
        self.rows = [
            {"line": each.line, "column": each.column, "detail": chosen(each.why)} for each in found
        ]


class ReportedValueReused(DomainError):
    """The id stands for another value, or for a file of other rows."""

    def __init__(self, value_id: UUID) -> None:
        super().__init__(f"{value_id} already stands for something else")
        self.value_id = value_id


def _told(fault: Fault) -> str:
    place = "" if fault.line is None else f"line {fault.line}: "
    return f"{place}{fault.column}: {fault.why.en}"
