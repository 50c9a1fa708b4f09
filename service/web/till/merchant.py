"""What the pages of a merchant have in common: whose they are, its shops, what was typed."""

import re
from datetime import datetime
from typing import Any
from uuid import uuid4

from flask import request

from service.language import Text, chosen
from service.web.asking import get
from service.web.cookies import kept
from service.web.guards import page_caller
from service.web.rendering import BEIJING

ROLES = ("merchant", "merchant_manager")
MANAGER = "merchant_manager"
SHOP = "tanhui_shop"  # The cookie of the shop in which this browser stands.
_PAGES_MAX = 5  # Of shops, 200 each: who has more finds the rest by the API.
_YUAN = re.compile(r"(\d{1,12})(?:\.(\d{1,2}))?", re.ASCII)


def of_merchant(path: str = "") -> str:
    """The API's address of the reader's merchant, and what is below it."""
    return f"/v1/merchants/{page_caller().scope}{path}"


def shops() -> list[dict[str, Any]]:
    """All shops of the merchant, closed ones too, each with its ``name`` in the reader's words."""
    found: list[dict[str, Any]] = []
    cursor = None
    for _ in range(_PAGES_MAX):
        page = get(of_merchant("/shops"), limit=200, cursor=cursor)
        found += page["shops"]
        if (cursor := page["next_cursor"]) is None:
            break
    for one in found:
        one["name"] = named(one, "name")
    return found


def named(row: dict[str, Any], what: str) -> str:
    """A text that is there in both languages, in the reader's."""
    return chosen(Text(row[f"{what}_zh"], row[f"{what}_en"]))


def shop_here(open_shops: list[dict[str, Any]]) -> str:
    """The id of the shop where this browser stands: the chosen one, or the only one; or ""."""
    ids = [one["id"] for one in open_shops]
    if (chosen_id := kept(SHOP)) in ids:
        return chosen_id
    return str(ids[0]) if len(ids) == 1 else ""


def form_id(name: str = "id") -> str:
    """The id that was made when the form was shown, so that a second tap is a retry."""
    return request.form.get(name) or str(uuid4())


def typed(name: str) -> str | None:
    """A text as it was typed; None for nothing."""
    return request.form.get(name, "").strip() or None


def whole(name: str) -> Any:
    """A whole number; None for nothing. What is none is passed on, for the API to refuse."""
    text = typed(name)
    if text is None:
        return None
    sign, digits = (-1, text[1:]) if text[0] in "-−" else (1, text)
    return sign * int(digits) if digits.isascii() and digits.isdigit() and len(text) < 19 else text


def fen(name: str) -> Any:
    """Yuan with up to two decimals, as fen; what is none is passed on, for the API to refuse."""
    text = typed(name)
    if text is None:
        return None
    found = _YUAN.fullmatch(text)
    return int(found[1]) * 100 + int((found[2] or "").ljust(2, "0")) if found else text


def instant_of(name: str) -> str | None:
    """Of a date-time field, which is by Beijing's clock; passed on where it is none."""
    text = typed(name)
    if text is None:
        return None
    try:
        return datetime.fromisoformat(text).replace(tzinfo=BEIJING).isoformat()
    except ValueError:
        return text


def local(instant: str | None) -> str:
    """An instant as a date-time field has it."""
    if instant is None:
        return ""
    return f"{datetime.fromisoformat(instant).astimezone(BEIJING):%Y-%m-%dT%H:%M}"
