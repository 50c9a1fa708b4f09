"""What pages load is named by its content, so that a browser keeps it until it changes."""

import hashlib
from functools import cache
from pathlib import Path
from typing import Any

from flask import Flask, Response, request

YEAR_S = 365 * 24 * 60 * 60


def register(app: Flask) -> None:
    """Let every link to a static file carry a hash of it, and such an address be kept for ever."""
    folder = Path(str(app.static_folder))

    @cache
    def version(name: str) -> str:
        try:
            return hashlib.sha256((folder / name).read_bytes()).hexdigest()[:12]
        except OSError:  # No such file: the link will say so.
            return ""

    @app.url_defaults
    def named_by_content(endpoint: str, values: dict[str, Any]) -> None:
        if endpoint == "static" and (found := version(values.get("filename", ""))):
            values.setdefault("v", found)

    @app.after_request
    def kept_while_unchanged(answer: Response) -> Response:
        if request.endpoint == "static" and answer.status_code in (200, 304):
            name = (request.view_args or {}).get("filename", "")
            if request.args.get("v") == version(name) != "":
                answer.headers["Cache-Control"] = f"public, max-age={YEAR_S}, immutable"
        return answer
