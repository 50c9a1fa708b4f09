"""zh-CN first, en by ``Accept-Language``."""

from typing import NamedTuple

from flask import has_request_context, request

LANGUAGE = "tanhui_lang"  # The cookie of the language that a reader of the pages chose.


class Text(NamedTuple):
    """A text for people, in both languages."""

    zh: str
    en: str


def language() -> str:
    """What the caller reads: "zh-CN" (the default) or "en".

    A page's ``?lang=`` comes first, then what its reader chose before.
    """
    if not has_request_context():
        return "zh-CN"
    asked = request.args.get("lang", "")
    if asked in ("zh-CN", "en"):
        return asked
    if not request.path.startswith("/v1/") and (kept := request.cookies.get(LANGUAGE)):
        return "en" if kept == "en" else "zh-CN"
    best = request.accept_languages.best_match(["zh-CN", "zh", "en"], default="zh-CN")
    return "en" if best == "en" else "zh-CN"


def chosen(text: Text) -> str:
    """The text in the caller's language."""
    return text.en if language() == "en" else text.zh
