"""Making a page of its parts, and doing what its forms say.

One address shows a page and takes its forms, so that whoever has to sign in meanwhile comes back to
the page, and a refused form is shown where it was, as it was typed.
"""

from collections.abc import Sequence
from typing import Any

from flask import Response, request, url_for

from service.web.asking import Refused, ask
from service.web.desk import words
from service.web.desk.shapes import Form, Note, Said, forms_in
from service.web.rendering import render, see_other

PAGE_ROWS = 50
PARAMETERS_MAX = 12


def page(
    title: Said,
    *parts: Any,
    at: str = "",
    side: Sequence[Any] = (),
    intro: Said = "",
    back: tuple[str, Said] | None = None,
    badge: str = "",
    template: str = "desk/page.html",
    **values: Any,
) -> Response:
    """Show a page; of a sent form first do what it says, then go on.

    ``at`` is the menu's entry that the page belongs to; ``side`` stands beside the parts where
    there is room. A form that the page does not offer any more changes nothing, and the page says
    so.
    """
    status, above = 200, []
    if request.method == "POST":
        found = _sent([*parts, *side])
        if found is None:
            status, above = 409, [Note(words.MOVED_ON, "warn")]
        else:
            answer = found.act(found.typed(request.form))
            if answer.status == 401:
                raise Refused(answer)
            if answer.refused:
                found.refuse(answer)
                status = answer.status
            elif found.shows is not None:
                above = list(found.shows(answer.body))
            else:
                where = found.goes(answer) if found.goes else _here()
                return _go(where, found.done)
    return render(
        template,
        status=status,
        title=title,
        parts=[*above, *parts],
        side=side,
        intro=intro,
        back=back,
        badge=badge,
        at=at or request.endpoint,
        dones=words.DONES,
        **values,
    )


def rows_of(path: str, name: str, **query: Any) -> tuple[list[Any], str | None]:
    """A page of a list and where it goes on, by the address's cursor."""
    asked = {"limit": PAGE_ROWS, "cursor": request.args.get("cursor") or None} | query
    answer = ask("GET", path, query=asked)
    if answer.refused:
        raise Refused(answer)
    return answer.body[name], answer.body.get("next_cursor")


def asked(*names: str) -> dict[str, str | None]:
    """Filters of a list, from the address; None where none was chosen."""
    return {name: request.args.get(name, "").strip() or None for name in names}


def _sent(parts: Sequence[Any]) -> Form | None:
    key = request.form.get("do", "")
    return next((each for each in forms_in(parts) if each.key == key), None)


def _here() -> str:
    view = dict(request.view_args or {})
    kept = {name: value for name, value in request.args.items() if name not in ("done", "cursor")}
    assert request.endpoint is not None
    return url_for(request.endpoint, **(dict(list(kept.items())[:PARAMETERS_MAX]) | view))


def _go(where: str, done: str) -> Response:
    mark = "&" if "?" in where else "?"
    return see_other(f"{where}{mark}done={done}")
