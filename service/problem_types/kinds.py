"""What a kind of problem is."""

from dataclasses import dataclass

from service.language import Text


@dataclass(frozen=True, slots=True)
class ProblemType:
    """One kind of problem; ``detail`` takes its facts from ``members`` of the refusal. A fact that
    is a pair of texts, (Chinese, English), is told in the caller's language.
    """

    status: int
    slug: str
    title: Text
    detail: Text
    members: tuple[str, ...] = ()


def kind(
    status: int, slug: str, title: tuple[str, str], detail: tuple[str, str], *members: str
) -> ProblemType:
    """A row of the tables beside this module: texts are (Chinese, English)."""
    return ProblemType(status, slug, Text(*title), Text(*detail), members)
