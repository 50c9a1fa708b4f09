"""Refusals in a resident's words, where the API's text names members of its answers."""

from collections.abc import Mapping
from dataclasses import replace

from service.web.asking import Answer


def plainly(
    refused: Answer | None,
    *,
    names: Mapping[str, str] | None = None,
    instead: Mapping[str, str] | None = None,
) -> Answer | None:
    """The refusal with names of the API as the page calls them; or, by the refusal's kind, with
    another text ``instead``.
    """
    if refused is None or not refused.body.get("detail"):
        return refused
    detail = (instead or {}).get(refused.kind, refused.body["detail"])
    for name, said in (names or {}).items():
        detail = detail.replace(name, said)
    return replace(refused, body=refused.body | {"detail": detail})
