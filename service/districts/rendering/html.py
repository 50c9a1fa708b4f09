"""A report as one HTML file that opens by itself: its style inside, no script, nothing fetched."""

import base64
from functools import cache
from hashlib import sha256
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined, Template
from markupsafe import Markup

from service.districts.rendering.model import Document, Words

_TEMPLATES = Path(__file__).resolve().parents[2] / "web" / "templates"


def html_of(document: Document) -> bytes:
    """The page; every text is escaped."""
    words = Words(document.language)
    page = _template().render(
        document=document,
        style=Markup(_style()),  # noqa: S704 - our own file.
        contents=words("目录", "Contents"),
    )
    return (page + "\n").encode()


@cache
def content_security_policy() -> str:
    """Lets the page have its own style, and nothing else at all."""
    digest = base64.b64encode(sha256(_style().encode()).digest()).decode()
    return (
        f"default-src 'none'; style-src 'sha256-{digest}'; base-uri 'none'; form-action 'none';"
        " frame-ancestors 'none'"
    )


@cache
def _style() -> str:
    return (_TEMPLATES / "report.css").read_text("utf-8")


@cache
def _template() -> Template:
    environment = Environment(
        loader=FileSystemLoader(_TEMPLATES), autoescape=True, undefined=StrictUndefined
    )
    return environment.get_template("report.html")
