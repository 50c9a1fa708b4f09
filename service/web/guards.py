"""Who may open a page: said at each by ``page_for`` or ``open_page``; a test walks them all.

What a page then shows and does is the API's to allow (``service.web.asking``).
"""

from collections.abc import Callable
from functools import wraps
from typing import Any, TypeVar

from flask import Blueprint, Response, g, request, url_for
from flask_babel import gettext as _
from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from werkzeug.exceptions import HTTPException

from service import rates
from service.errors import TooManyRequests
from service.identity.tokens import ROLES, Caller
from service.problems import on_database_error, on_pool_empty, refusal
from service.web import browsers
from service.web.asking import Refused
from service.web.rendering import render, see_other

View = TypeVar("View", bound=Callable[..., Any])
HOMES = {
    "resident": "resident.home",
    "merchant": "till.home",
    "merchant_manager": "till.home",
    "operator": "desk.home",
    "administrator": "desk.home",
    "volunteer": "desk.home",
    "auditor": "auditor.home",
    "district_officer": "district.home",
}


class FormForged(Exception):
    """A form that none of our pages in this browser made, or a page that is very old."""


def page_for(*roles: str) -> Callable[[View], View]:
    """Open a page to who signed in with one of these roles; the others learn where to go.

    A form must bring the token of this browser (``browsers.form_token``). Who is not signed in any
    more is sent to sign in, and comes back to where they were.
    """
    assert roles
    assert set(roles) <= set(ROLES)

    def decorate(view: View) -> View:
        @wraps(view)
        def guarded(*args: Any, **kwargs: Any) -> Any:
            found = browsers.caller()
            if found is None:
                return to_sign_in("resident" if roles == ("resident",) else "staff")
            g.page_caller = found
            rates.count_caller(found)
            g.asked = True  # What the page asks counts no more.
            if found.role not in roles:
                return render("pages/wrong_role.html", status=403, home=home_of(found))
            _check_form()
            return view(*args, **kwargs)

        guarded.page_for = roles  # type: ignore[attr-defined]
        guarded.authentication = roles  # type: ignore[attr-defined]
        return guarded  # type: ignore[return-value]

    return decorate


def open_page(view: View) -> View:
    """A page for anybody, whose forms are protected all the same."""

    @wraps(view)
    def opened(*args: Any, **kwargs: Any) -> Any:
        _check_form()
        return view(*args, **kwargs)

    opened.page_for = ()  # type: ignore[attr-defined]
    opened.authentication = ()  # type: ignore[attr-defined]
    return opened  # type: ignore[return-value]


def page_caller() -> Caller:
    """Who reads this page."""
    found: Caller = g.page_caller
    return found


def home_of(found: Caller) -> str:
    """Where the pages of a role begin."""
    return url_for(HOMES.get(found.role, "web.home"))


def to_sign_in(whom: str) -> Response:
    """Sign in first, then back to here (for a form: to the page that it was on)."""
    here = request.full_path.rstrip("?") if request.method == "GET" else _page_of_form()
    where = "enter.resident" if whom == "resident" else "enter.staff"
    return see_other(url_for(where, next=here, ended=1))


def is_local(path: str) -> bool:
    """Whether it leads to a page of ours: no scheme, no host, nothing that is taken for one."""
    return path.startswith("/") and path[1:2] not in ("/", "\\") and path.isprintable()


def register(bp: Blueprint) -> None:
    """How every page of a blueprint behaves: cookies, caches, and refusals as pages."""
    bp.context_processor(_page_values)
    bp.after_request(browsers.set_cookies)
    bp.after_request(_kept_by_nobody)
    bp.register_error_handler(Refused, _on_refused)
    bp.register_error_handler(FormForged, _on_forged)
    bp.register_error_handler(TooManyRequests, _on_too_many)
    bp.register_error_handler(HTTPException, _on_http_error)
    bp.register_error_handler(DBAPIError, _on_database_error)
    bp.register_error_handler(PoolTimeout, _on_database_error)


def _page_values() -> dict[str, Any]:
    me = g.get("page_caller")
    own_home = home_of(me) if me else url_for("web.home")
    return {"form_token": browsers.form_token, "me": me, "own_home": own_home}


def _check_form() -> None:
    if request.method == "POST" and not browsers.is_own_form():
        raise FormForged


def _page_of_form() -> str:
    """A form may name the page that it is on; else its own address, which has a page as well."""
    named = request.form.get("page", "")
    return named if is_local(named) else request.path


def _kept_by_nobody(answer: Response) -> Response:
    if "Cache-Control" not in answer.headers:
        answer.headers["Cache-Control"] = "no-store"
    return answer


def _on_refused(error: Refused) -> Response:
    answer = error.answer
    if answer.status == 401:
        return to_sign_in("staff" if request.blueprint != "resident" else "resident")
    return render("pages/refused.html", status=answer.status, problem=answer.body)


def _on_too_many(error: TooManyRequests) -> Response:
    answer = render("pages/refused.html", status=429, problem=refusal(error))
    answer.headers["Retry-After"] = str(error.retry_after_s)
    return answer


def _on_forged(_error: FormForged) -> Response:
    problem = {
        "title": _("这个表单已经失效"),
        "detail": _("页面打开太久，或者不是从本站提交的。没有任何改动；请返回、刷新页面后再提交。"),
    }
    return render("pages/refused.html", status=403, problem=problem)


def _on_http_error(error: HTTPException) -> Response:
    titles = {
        404: _("没有这个页面"),
        405: _("这个地址不能这样打开"),
        413: _("内容过大"),
    }
    problem = {"title": titles.get(error.code or 500, _("出了点问题")), "detail": ""}
    return render("pages/refused.html", status=error.code or 500, problem=problem)


def _on_database_error(error: DBAPIError | PoolTimeout) -> Response:
    """As the API answers it, on a page."""
    answer = on_pool_empty(error) if isinstance(error, PoolTimeout) else on_database_error(error)
    page = render("pages/refused.html", status=answer.status_code, problem=answer.get_json())
    if wait := answer.headers.get("Retry-After"):
        page.headers["Retry-After"] = wait
    return page
