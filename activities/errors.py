"""Refusals of this package. A single event's refusal is an answer, not an exception."""

from collections.abc import Sequence

from ledgers.errors import DomainError


class CatalogueRefused(DomainError):
    """Rows that do not load; each problem names file and line. Nothing was loaded."""

    def __init__(self, problems: Sequence[str]) -> None:
        super().__init__("; ".join(problems))
        self.problems = list(problems)


class UnknownProgramme(DomainError):
    """No programme has this code."""

    def __init__(self, code: str) -> None:
        super().__init__(f"no programme {code!r}")
        self.code = code


class UnknownScene(DomainError):
    """No scene has this code."""

    def __init__(self, code: str) -> None:
        super().__init__(f"no scene {code!r}")
        self.code = code


class UnknownDivision(DomainError):
    """No administrative division has this code."""

    def __init__(self, code: str) -> None:
        super().__init__(f"no division {code!r}")
        self.code = code
