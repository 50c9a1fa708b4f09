"""Loading a catalogue: all of it or nothing, each problem with file and line.

A row once loaded is never changed. Loading the same files again writes nothing; a row that differs
from what is loaded is refused: a change is a new row (a new version, a new period).
"""

import csv
import gzip
import io
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date
from itertools import pairwise
from pathlib import Path
from typing import Any
from uuid import UUID

import msgspec
from sqlalchemy import Column, Table, text
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Session

from activities.errors import CatalogueRefused
from activities.models import (
    Behaviour,
    Division,
    Factor,
    Method,
    Partner,
    Programme,
    Rule,
    Scene,
    Tariff,
)
from activities.rules import RuleKind
from ledgers.accounts import open_system
from ledgers.base import Base

BUNDLED = Path(__file__).resolve().parent
_CODE = re.compile(r"[A-Za-z0-9._-]{1,64}")
PROBLEMS_MAX = 20  # Enough to mend by; a wrong file would name each of its lines.

# In the order in which rows refer to each other.
FILES: dict[str, type[Base]] = {
    "divisions.csv.gz": Division,
    "programmes.csv": Programme,
    "partners.csv": Partner,
    "behaviours.csv": Behaviour,
    "factors.csv": Factor,
    "methods.csv": Method,
    "tariffs.csv": Tariff,
    "rules.csv": Rule,
    "scenes.csv": Scene,
}


@dataclass(frozen=True, slots=True)
class Line:
    """One row of a file: where it stands, its text by column, its values by column."""

    place: str
    values: dict[str, Any]


def load(session: Session, folder: Path = BUNDLED, *, now: Any) -> dict[str, int]:
    """Load the files of a folder (those that are there); answers new rows by file.

    Opens the system accounts of each programme. Raises CatalogueRefused with every problem found,
    and nothing was loaded.
    """
    found = [name for name in FILES if (folder / name).is_file()]
    if not found:
        raise CatalogueRefused([f"{folder} holds none of {', '.join(FILES)}"])
    problems: list[str] = []
    lines: dict[str, list[Line]] = {}
    for name in found:
        lines[name] = list(
            _read(folder / name, FILES[name].metadata.tables[_table(name)], problems)
        )
    problems += _cross_check(lines)
    _refuse(problems)
    written = {name: _write(session, _table(name), lines[name], problems) for name in found}
    _refuse(problems)
    for line in lines.get("programmes.csv", []):
        open_system(session, line.values["holder_id"], now=now)
    return written


def _refuse(problems: list[str]) -> None:
    if len(problems) > PROBLEMS_MAX:
        more = f"and {len(problems) - PROBLEMS_MAX} more"
        raise CatalogueRefused([*problems[:PROBLEMS_MAX], more])
    if problems:
        raise CatalogueRefused(problems)


def _table(name: str) -> str:
    return str(FILES[name].__tablename__)


def _read(path: Path, table: Table, problems: list[str]) -> Iterator[Line]:
    """The rows that can be read; what cannot is added to ``problems``."""
    raw = gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()
    try:
        reader = csv.DictReader(io.StringIO(raw.decode("utf-8-sig")), strict=True)
        columns = set(reader.fieldnames or ())
    except (UnicodeDecodeError, csv.Error) as error:
        problems.append(f"{path.name}: {error}")
        return
    wanted = {column.name for column in table.columns}
    if columns != wanted:
        problems += [f"{path.name}: column {name} is missing" for name in sorted(wanted - columns)]
        problems += [f"{path.name}: column {name} is unknown" for name in sorted(columns - wanted)]
        return
    for row in reader:
        place = f"{path.name} line {reader.line_num}"
        try:
            yield Line(place, {c.name: _value(c, row[c.name]) for c in table.columns})
        except ValueError as error:
            problems.append(f"{place}: {error}")


def _value(column: Column[Any], written: str | None) -> Any:
    """The typed value of one field; an empty one is None where the column allows it."""
    if not written:
        if column.nullable:
            return None
        raise ValueError(f"{column.name} is empty")
    if column.name.endswith("code") and not _CODE.fullmatch(written):
        raise ValueError(f"{column.name} is {written!r}: letters, digits and . _ - only")
    try:
        if isinstance(column.type, JSONB):
            return msgspec.json.decode(written, type=dict[str, Any])
        kind = column.type.python_type
        return date.fromisoformat(written) if kind is date else kind(written)
    except (ValueError, msgspec.DecodeError) as error:
        raise ValueError(f"{column.name} is {written!r}: {error}") from error


def _cross_check(lines: Mapping[str, list[Line]]) -> list[str]:
    """What one row cannot know alone: rule kinds, units, sources, references, overlaps."""
    factors = {line.values["code"]: line.values for line in lines.get("factors.csv", [])}
    behaviours = {line.values["code"]: line.values for line in lines.get("behaviours.csv", [])}
    problems = []
    for line in lines.get("rules.csv", []):
        try:
            msgspec.convert(line.values["parameters"], RuleKind)
        except msgspec.ValidationError as error:
            problems.append(f"{line.place}: parameters: {error}")
    for line in lines.get("methods.csv", []):
        factor = factors.get(line.values["factor_code"])
        behaviour = behaviours.get(line.values["behaviour_code"])
        if factor is None or behaviour is None:
            problems.append(f"{line.place}: its factor or behaviour is not in this catalogue")
        elif factor["base_unit"] != behaviour["base_unit"]:
            problems.append(
                f"{line.place}: the factor is per {factor['base_unit']},"
                f" the behaviour is counted in {behaviour['base_unit']}"
            )
        elif factor["confidence"] != "seen":
            problems.append(f"{line.place}: the source of {factor['code']} was not seen")
    problems += _overlaps(lines.get("methods.csv", []), "programme_code", "behaviour_code")
    problems += _overlaps(lines.get("tariffs.csv", []), "programme_code")
    return problems


def _overlaps(lines: list[Line], *group: str) -> list[str]:
    """Two rows of one group may not hold on the same day."""
    ordered = sorted(
        lines, key=lambda line: (*(line.values[name] for name in group), line.values["valid_from"])
    )
    return [
        f"{later.place}: its validity overlaps {earlier.place}"
        for earlier, later in pairwise(ordered)
        if all(earlier.values[name] == later.values[name] for name in group)
        and (earlier.values["valid_to"] or date.max) > later.values["valid_from"]
    ]


def _write(session: Session, table: str, lines: list[Line], problems: list[str]) -> int:
    """Insert what is new, in one statement; refuse what differs from what is loaded."""
    columns = Base.metadata.tables[table].columns
    key = [column.name for column in Base.metadata.tables[table].primary_key]
    known = {
        tuple(row[name] for name in key): dict(row)
        for row in session.execute(Base.metadata.tables[table].select()).mappings()
    }
    new: dict[tuple[Any, ...], Line] = {}
    for line in lines:
        identity = tuple(line.values[name] for name in key)
        if identity in new:
            problems.append(f"{line.place}: {identity} stands twice")
        elif identity not in known:
            new[identity] = line
        elif known[identity] != line.values:
            problems.append(f"{line.place}: {identity} is loaded with other content")
    if new and not problems:
        _insert(session, table, list(columns), [line.values for line in new.values()])
    return len(new)


def _insert(
    session: Session, table: str, columns: list[Column[Any]], rows: list[dict[str, Any]]
) -> None:
    """All rows in one statement: a text array a column, cast to the column's type."""
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
    assert isinstance(value, int | date | UUID)
    return str(value)
