"""Acting for a relative by pages: what would be about oneself is then about them.

A cookie says for whom. Each page asks for a token to act by, so that whoever is let in no more has
ended at once; a form that was shown while one acted counts for nobody else (``browsers``).
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import wraps
from typing import Any, TypeVar
from urllib.parse import quote, unquote
from uuid import UUID

from flask import Response, g, request, url_for

from service.web.asking import Refused, ask, get
from service.web.browsers import ACTING
from service.web.cookies import keep, kept
from service.web.guards import page_for
from service.web.rendering import render, see_other
from service.web.resident import bp

View = TypeVar("View", bound=Callable[..., Any])


@dataclass(frozen=True, slots=True)
class ActingFor:
    """By which delegation one acts, and what the other one is called ("" where no name is kept)."""

    delegation_id: UUID
    name: str


def acting_for() -> ActingFor | None:
    """For whom this browser acts; None: for oneself."""
    written, _, name = kept(ACTING).partition(":")
    try:
        return ActingFor(UUID(written), unquote(name))
    except ValueError:
        return None


def my_page(view: View) -> View:
    """A page of the resident, or of the one for whom they act."""

    @wraps(view)
    def shown(*args: Any, **kwargs: Any) -> Any:
        if (found := acting_for()) is not None:
            body = {"delegation_id": str(found.delegation_id)}
            answer = ask("POST", "/v1/auth/acting", body=body)
            if answer.status in (404, 409, 410):
                return _over(found)
            if answer.refused:
                raise Refused(answer)
            g.access_token = answer.body["access_token"]
            g.acting_for, g.acting_powers = found, answer.body["powers"]
        return view(*args, **kwargs)

    return page_for("resident")(shown)  # type: ignore[return-value]


def own_page(view: View) -> View:
    """A page of oneself, also while one acts for somebody."""

    @wraps(view)
    def shown(*args: Any, **kwargs: Any) -> Any:
        g.acting_for, g.own_page = acting_for(), True
        return view(*args, **kwargs)

    return page_for("resident")(shown)  # type: ignore[return-value]


@bp.get("/acting")
@own_page
def acting() -> Response:
    """For whom one acts; where the choice is made."""
    return see_other(url_for(".family"))


@bp.post("/acting")
@own_page
def act() -> Response:
    """Begin to act for somebody, or be oneself again."""
    wanted = request.form.get("delegation_id", "")
    answer = see_other(url_for(".home"))
    if not wanted:
        keep(answer, ACTING, "")
        return answer
    listed = get("/v1/me/acting-for")["acting_for"]
    found = next((each for each in listed if each["id"] == wanted), None)
    if found is None:
        return see_other(url_for(".family"))
    keep(answer, ACTING, f"{found['id']}:{quote(found['name'] or '')}")
    return answer


def _over(found: ActingFor) -> Response:
    """Nothing is done in one's own name that was meant for another."""
    answer = render("resident/acting_over.html", status=409, over=found)
    keep(answer, ACTING, "")
    return answer


@bp.context_processor
def _acting_values() -> dict[str, Any]:
    return {
        "acting_for": g.get("acting_for"),
        "own_page": g.get("own_page", False),
        "now_at": datetime.now(UTC),
    }
