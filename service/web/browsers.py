"""A browser's session: cookies that hold what an app would keep, and a token against forged forms.

The access token and the refresh token of a sign-in lie in cookies that no script reads and that no
other site's form brings along (SameSite). The API itself never looks at a cookie. When the access
token has ended, the page's own request carries the session on, with the request's id made from
the refresh token: of several at once each gets the same (``service.identity.logins.refreshing``).
"""

import hashlib
import hmac
import secrets
from base64 import urlsafe_b64encode
from typing import Any
from uuid import NAMESPACE_URL, uuid5

from flask import Response, g, request

from service.identity.logins.sessions import limits
from service.identity.tokens import Caller, InvalidToken
from service.language import LANGUAGE
from service.services import services
from service.web.asking import ask
from service.web.cookies import keep, kept

ACCESS, REFRESH, VISIT = "tanhui_access", "tanhui_refresh", "tanhui_visit"
ACTING = "tanhui_acting"  # For whom a resident acts (service.web.resident.acting).
FORM_TOKEN = "form_token"  # noqa: S105 - a field's name.
LANGUAGE_S = 365 * 24 * 60 * 60
_ROLE = "tanhui_role"  # How long the cookies last depends on it; it opens nothing.


def caller() -> Caller | None:
    """Whose browser it is; None: nobody has signed in here, or no more."""
    token = kept(ACCESS)
    try:
        found = services().tokens.check(token)
    except InvalidToken:
        return _carried_on()
    g.access_token = token
    return found


def signed_in(tokens: dict[str, Any]) -> Caller:
    """Keep the tokens that the API gave, from this answer on."""
    found = services().tokens.check(tokens["access_token"])
    g.access_token = tokens["access_token"]
    g.new_cookies = {
        ACCESS: tokens["access_token"],
        REFRESH: tokens["refresh_token"],
        _ROLE: found.role,
    }
    return found


def leave_before() -> None:
    """Before another sign-in in this browser: what was carried on here so far has ended."""
    if before := kept(REFRESH):
        ask("POST", "/v1/auth/logout", body={"refresh_token": before[:200]})


def signed_out() -> None:
    """End the session, here and at the API."""
    newest = g.get("new_cookies", {}).get(REFRESH) or kept(REFRESH) or "-"
    ask("POST", "/v1/auth/logout", body={"refresh_token": newest[:200]})
    forget()


def forget() -> None:
    """Take the cookies away."""
    g.access_token = None
    g.new_cookies = {ACCESS: "", REFRESH: "", _ROLE: "", ACTING: ""}


def begin_anew() -> None:
    """Whoever signs in begins as themselves: no form counts that was shown to somebody before."""
    g.new_cookies[ACTING] = ""
    g.visit = secrets.token_urlsafe(16)


def form_token() -> str:
    """What a form of this browser must bring: who only makes it send a form cannot know it.

    Nor does a form count that was shown while one acted for somebody else.
    """
    key = services().keyring.derived("page forms")
    about = f"{_visit()} {kept(ACTING)}"
    digest = hmac.digest(key, about.encode(), hashlib.sha256)
    return urlsafe_b64encode(digest[:24]).decode()


def is_own_form() -> bool:
    """Whether the form of this request was one of our pages' in this browser."""
    if request.headers.get("Sec-Fetch-Site", "same-origin") not in ("same-origin", "none"):
        return False
    if not kept(VISIT):
        return False
    return hmac.compare_digest(request.form.get(FORM_TOKEN, "").encode(), form_token().encode())


def set_cookies(answer: Response) -> Response:
    """Write what this request changed."""
    if new := g.get("new_cookies"):
        age = int(limits(new[_ROLE] or "resident").idle.total_seconds())
        for name, value in new.items():
            keep(answer, name, value, for_s=age)
    if "visit" in g and kept(VISIT) != g.visit:
        keep(answer, VISIT, g.visit)
    if (asked := request.args.get("lang")) in ("zh-CN", "en"):
        answer.set_cookie(LANGUAGE, asked, max_age=LANGUAGE_S, samesite="Lax")
    return answer


def _visit() -> str:
    if "visit" not in g:
        g.visit = kept(VISIT) or secrets.token_urlsafe(16)
    found: str = g.visit
    return found


def _carried_on() -> Caller | None:
    if not (refresh := kept(REFRESH)):
        return None
    again = str(uuid5(NAMESPACE_URL, hashlib.sha256(refresh.encode()).hexdigest()))
    body = {"refresh_token": refresh[:200], "request_id": again}
    answer = ask("POST", "/v1/auth/refresh", body=body)
    if answer.status == 200:
        return signed_in(answer.body)
    if answer.status in (401, 404, 422):
        forget()
    return None
