"""Refusals about jobs."""

from ledgers.errors import DomainError


class UnknownJob(DomainError):
    """The schedule has no job of this name."""

    def __init__(self, job: str) -> None:
        super().__init__(f"no job {job!r}")
        self.job = job
