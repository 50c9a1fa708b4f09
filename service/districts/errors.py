"""Refusals of district reporting."""

from ledgers.errors import DomainError


class MonthNotOver(DomainError):
    """The month has not ended in the programme's zone.

    A month that still runs is not reported: today's report less yesterday's would show what a
    single resident did.
    """

    def __init__(self, month: str) -> None:
        super().__init__(f"{month} is not over")
        self.month = month


class NotADistrict(DomainError):
    """The division is no district.

    Reports of two levels would share towns, and what one withholds the other could give away.
    """

    def __init__(self, code: str) -> None:
        super().__init__(f"{code} is not a district")
        self.code = code


class DistrictMerged(DomainError):
    """The district has become part of another, whose report holds its figures."""

    def __init__(self, code: str, into_code: str) -> None:
        super().__init__(f"{code} is part of {into_code} now")
        self.code = code
        self.into_code = into_code
