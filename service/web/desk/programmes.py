"""Programmes and behaviours by name, for lists and forms."""

from flask_babel import gettext as _

from service.authorisation import only_programme
from service.language import language
from service.services import services
from service.web.asking import get
from service.web.desk.shapes import Field
from service.web.guards import page_caller
from service.web.towns import programmes

BEHAVIOURS_MAX = 200


def own_programmes() -> list[tuple[str, str]]:
    """Programmes that the reader's grant reaches, by code and name."""
    own = only_programme(page_caller())
    found = services().database.transact(
        lambda session: [(one.code, one.name_zh, one.name_en) for one in programmes(session)]
    )
    english = language() == "en"
    return [(code, en if english else zh) for code, zh, en in found if own in (None, code)]


def programme_filter() -> Field:
    """Which programme a list shows."""
    return Field("programme", _("项目"), "choice", False, options=own_programmes())


def behaviour_names() -> dict[str, str]:
    """What behaviours are called, by their codes."""
    name = "name_en" if language() == "en" else "name_zh"
    found = get("/v1/catalogue/behaviours", limit=BEHAVIOURS_MAX)["behaviours"]
    return {one["code"]: one[name] for one in found}
