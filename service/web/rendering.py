"""How a page is made: its language, its texts, its numbers."""

from collections.abc import Callable
from datetime import datetime, time, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import segno
from flask import Flask, Response, render_template, request
from flask_babel import Babel, gettext

from service.language import Text, chosen, language
from service.printing import grams

BEIJING = ZoneInfo("Asia/Shanghai")
# Texts are written in Chinese, so that the templates read as what residents see; each part of the
# pages has its own catalogue of English.
CATALOGUES = ("public", "shared", "resident", "till", "desk", "auditor", "district")


def register(app: Flask) -> None:
    """Catalogues of texts, and how numbers and instants are written."""
    folders = ";".join(f"translations/{name}" for name in CATALOGUES)
    Babel(
        app,
        default_locale="zh_Hans_CN",
        default_translation_directories=folders,
        locale_selector=lambda: "en" if language() == "en" else "zh_Hans_CN",
    )
    filters: dict[str, Callable[..., str]] = {
        "grams": grams,
        "kilograms": kilograms,
        "number": number,
        "yuan": yuan,
        "instant": instant,
        "day": day,
        "until": until,
        "span": span,
        "qr": qr,
        "role_name": role_name,
    }
    for name, made in filters.items():
        app.add_template_filter(made, name)


def render(template: str, *, status: int = 200, **values: Any) -> Response:
    """A page in the reader's language; its links keep a language that the reader chose."""
    lang = language()
    html = render_template(
        template,
        lang=lang,
        en=lang == "en",
        t=chosen,
        say=lambda zh, en: chosen(Text(zh, en)),
        keep={"lang": lang} if "lang" in request.args else {},
        **values,
    )
    answer = Response(html, status, content_type="text/html; charset=utf-8")
    answer.headers["Content-Language"] = lang
    answer.vary.add("Accept-Language")
    return answer


def see_other(address: str) -> Response:
    """On to another page, as after every form: loading it again sends nothing again."""
    answer = Response(status=303)
    answer.location = address
    return answer


def kilograms(mg: int) -> str:
    """Milligrams as kilograms, three decimals below 10 kg, one from there on; rounded down."""
    if abs(mg) < 10_000_000:
        return f"{'-' if mg < 0 else ''}{abs(mg) // 1_000_000}.{abs(mg) // 1_000 % 1_000:03}"
    return f"{'-' if mg < 0 else ''}{abs(mg) // 1_000_000:,}.{abs(mg) // 100_000 % 10}"


def number(value: int | None) -> str:
    """With thousands apart; a dash for none."""
    return "—" if value is None else f"{value:,}"


def yuan(fen: int | None) -> str:
    """Fen as yuan with two decimals; a dash for none."""
    if fen is None:
        return "—"
    return f"{'-' if fen < 0 else ''}¥{abs(fen) // 100:,}.{abs(fen) % 100:02}"


def instant(value: str | datetime | None) -> str:
    """To the minute, by Beijing's clock; a dash for none."""
    if value is None:
        return "—"
    found = datetime.fromisoformat(value) if isinstance(value, str) else value
    return f"{found.astimezone(BEIJING):%Y-%m-%d %H:%M}"


def day(value: str | datetime | None) -> str:
    """The day by Beijing's clock; what is a day already stays one."""
    if isinstance(value, str) and len(value) == 10:
        return value
    return instant(value)[:10]


def until(end: str | datetime | None) -> str:
    """When something ends that is good until then: at midnight, the day that is still good."""
    if end is None:
        return "—"
    found = datetime.fromisoformat(end) if isinstance(end, str) else end
    if found.astimezone(BEIJING).time() == time():
        return day(found - timedelta(days=1))
    return instant(found)


def span(began: str | datetime, ended: str | datetime) -> str:
    """From one instant until another; what is the same of both is said once."""
    first, last = instant(began), instant(ended)
    if first[:10] != last[:10]:
        return f"{first} – {last}"
    return first if first == last else f"{first} – {last[11:]}"


def qr(content: str) -> str:
    """A QR code of it, as an image's address: four modules of margin, for readers at a distance."""
    image: str = segno.make(content, error="m", micro=False).svg_data_uri(scale=4, border=4)
    return image


def role_name(role: str) -> str:
    """What a role is called on a page."""
    name: str = {
        "resident": gettext("居民"),
        "merchant": gettext("商户店员"),
        "merchant_manager": gettext("商户管理员"),
        "partner": gettext("接入方"),
        "operator": gettext("运营人员"),
        "auditor": gettext("审计人员"),
        "district_officer": gettext("区县人员"),
        "volunteer": gettext("志愿者"),
        "administrator": gettext("管理员"),
    }[role]
    return name
