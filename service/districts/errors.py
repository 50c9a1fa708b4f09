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


class PeriodNotOver(DomainError):
    """The quarter or year has not ended, or has not begun (``in_future``)."""

    def __init__(self, period: str, *, in_future: bool) -> None:
        super().__init__(f"{period} {'has not begun' if in_future else 'is not over'}")
        self.period = period
        self.in_future = in_future


class PeriodEmpty(DomainError):
    """Nothing was recorded of the district in the period, and nobody was registered."""

    def __init__(self, code: str, period: str) -> None:
        super().__init__(f"nothing was recorded of {code} in {period}")
        self.code = code
        self.period = period


class PeriodNotComplete(DomainError):
    """Months of the quarter or year are not issued, which it adds up."""

    def __init__(self, code: str, period: str, missing: list[str]) -> None:
        super().__init__(f"{code} {period}: not issued: {', '.join(missing)}")
        self.code = code
        self.period = period
        self.missing = missing


class RollUpsBehind(DomainError):
    """What was recorded in the period is not summed yet."""

    def __init__(self, period: str) -> None:
        super().__init__(f"what was recorded in {period} is not summed yet")
        self.period = period


class ReportNotIssued(DomainError):
    """There is no report of the district and period, or not this version."""

    def __init__(self, code: str, period: str) -> None:
        super().__init__(f"the report {code} {period} is not issued")
        self.code = code
        self.period = period


class ReportVersionReused(DomainError):
    """The version was issued for another reason."""

    def __init__(self, version: int) -> None:
        super().__init__(f"version {version} was issued for another reason")
        self.version = version


class ReportVersionNotNext(DomainError):
    """Versions follow each other: the one to issue is ``next_version``."""

    def __init__(self, next_version: int) -> None:
        super().__init__(f"the version to issue is {next_version}")
        self.next_version = next_version


class ReissueReasonNotFitting(DomainError):
    """A first version has no reason; another one needs one."""

    def __init__(self, version: int) -> None:
        super().__init__("a first version has no reason, another needs one")
        self.version = version


class NothingToReissue(DomainError):
    """Nothing changed since the version before; or (``too_few``) fewer than ten residents' acts of
    each behaviour did, which must not be told from what is published.
    """

    def __init__(self, code: str, period: str, *, too_few: bool) -> None:
        why = "too few residents' acts" if too_few else "nothing"
        super().__init__(f"{code} {period}: {why} changed")
        self.code = code
        self.period = period
        self.too_few = too_few


class ReportDoesNotVerify(DomainError):
    """A kept report is not what was issued, or its figures do not recompute."""

    def __init__(self, code: str, period: str, version: int, why: str) -> None:
        super().__init__(f"{code} {period} v{version}: {why}")
        self.code = code
        self.period = period
        self.version = version
        self.why = why
