"""Refusals of settlements' files."""

from ledgers.errors import DomainError


class WorkbookTooLong(DomainError):
    """A workbook of so many lines takes longer than a request should; the CSV has all."""

    def __init__(self, *, lines: int, lines_max: int) -> None:
        super().__init__(f"{lines} lines are too many for a workbook asked for: take lines.csv")
        self.lines = lines
        self.lines_max = lines_max
