"""Loading a catalogue: all of it or nothing, each problem with file and line.

A row once loaded is never changed. Loading the same files again writes nothing; a row that differs
from what is loaded is refused: a change is a new row (a new version, a new period).
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date, datetime
from pathlib import Path
from typing import Any
from uuid import UUID

import msgspec
from sqlalchemy import Column, text
from sqlalchemy.orm import Session

from activities.catalogue.checking import check
from activities.catalogue.files import BUNDLED, FILES, Line, Tables, key_of, read_folder, table_of
from activities.errors import CatalogueRefused
from activities.scene_steps import start_as_draft
from ledgers.accounts import open_system

__all__ = ["BUNDLED", "FILES", "SHIPPED", "Origin", "load"]
PROBLEMS_MAX = 20  # Enough to mend by; a wrong file would name each of its lines.


@dataclass(frozen=True, slots=True)
class Origin:
    """Who drafted what is loaded, and who approved it before; None leaves drafts."""

    drafted_by: str
    approved_by: str | None


SHIPPED = Origin("tanhui", "tanhui release")  # The bundled files were reviewed before a release.


def load(
    session: Session, folder: Path = BUNDLED, *, now: datetime, origin: Origin = SHIPPED
) -> dict[str, int]:
    """Load the files of a folder (those that are there); answers new rows by file.

    Opens the system accounts of each programme. What nobody approved yet is a draft, scenes too.
    Raises CatalogueRefused with every problem found, and nothing was loaded.
    """
    problems: list[str] = []
    given = read_folder(folder, problems)
    return add(session, given, problems, now=now, origin=origin)


def add(
    session: Session,
    given: Mapping[str, list[Line]],
    problems: list[str],
    *,
    now: datetime,
    origin: Origin,
) -> dict[str, int]:
    """Add rows to what is loaded, likewise; ``problems`` of reading them refuse them too."""
    known = _loaded(session)
    problems += check(given, Tables.of(given, known))
    new = {name: _new(name, lines, known[name], problems) for name, lines in given.items()}
    problems += _late_materials(new.get("method_materials.csv", []), known["methods.csv"])
    _refuse(problems)
    signed = {
        "drafted_by": origin.drafted_by,
        "drafted_at": now,
        "approved_by": origin.approved_by,
        "approved_at": origin.approved_by and now,
    }
    for name, lines in new.items():
        if lines:
            _insert(session, name, [{**signed, **line.values} for line in lines])
    for line in given.get("programmes.csv", []):
        open_system(session, line["holder_id"], now=now)
    if origin.approved_by is None:
        codes = [line["code"] for line in new.get("scenes.csv", [])]
        start_as_draft(session, codes, actor=origin.drafted_by, reason="loaded", now=now)
    return {name: len(lines) for name, lines in new.items()}


def _refuse(problems: list[str]) -> None:
    if len(problems) > PROBLEMS_MAX:
        more = f"and {len(problems) - PROBLEMS_MAX} more"
        raise CatalogueRefused([*problems[:PROBLEMS_MAX], more])
    if problems:
        raise CatalogueRefused(problems)


def _loaded(session: Session) -> dict[str, list[Line]]:
    """What the database holds, file by file: what given rows may refer to and must agree with."""
    return {
        name: [
            Line(
                f"the loaded {name} {' '.join(str(row[c]) for c in key_of(name))}", row, given=False
            )
            for row in map(dict, session.execute(table_of(name).select()).mappings())
        ]
        for name in FILES
    }


def _new(name: str, given: list[Line], known: list[Line], problems: list[str]) -> list[Line]:
    """The rows that are not loaded; one that differs from what is loaded is a problem."""
    key = key_of(name)
    loaded = {tuple(line[column] for column in key): line for line in known}
    new = []
    for line in given:
        identity = tuple(line[column] for column in key)
        if identity not in loaded:
            new.append(line)
        elif any(loaded[identity][column] != value for column, value in line.values.items()):
            told = " ".join(str(part) for part in identity)
            problems.append(f"{line.place}: {told} is loaded with other content")
    return new


def _late_materials(new: list[Line], methods: list[Line]) -> Iterator[str]:
    """A material of a version that is loaded would change what was approved."""
    loaded = {(method["code"], method["version"]) for method in methods}
    for line in new:
        code, version = line["method_code"], line["version"]
        if (code, version) in loaded:
            yield f"{line.place}: {code} {version} is loaded without it: make a new version"


def _insert(session: Session, name: str, rows: list[dict[str, Any]]) -> None:
    """All rows in one statement: a text array a column, cast to the column's type."""
    table = table_of(name)
    columns: list[Column[Any]] = list(table.columns)
    casts = ", ".join(
        f"CAST({c.name} AS {c.type.compile(session.get_bind().dialect)})" for c in columns
    )
    names = ", ".join(column.name for column in columns)
    arrays = ", ".join(f"CAST(:{column.name} AS text[])" for column in columns)
    statement = (
        f"INSERT INTO {table} ({names}) SELECT {casts} FROM unnest({arrays}) AS new ({names})"
    )
    session.execute(
        text(statement), {c.name: [_as_text(row[c.name]) for row in rows] for c in columns}
    )


def _as_text(value: Any) -> str | None:
    if value is None or isinstance(value, str):
        return value
    if isinstance(value, dict):
        return msgspec.json.encode(value).decode()
    assert isinstance(value, int | date | datetime | UUID)
    return str(value)
