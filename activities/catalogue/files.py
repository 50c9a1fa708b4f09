"""The catalogue's files: one CSV a table, read into typed rows that know where they stand.

Nothing here asks a database. What a row cannot say about itself is looked at in
``activities.catalogue.checking``.
"""

import csv
import gzip
import io
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

import msgspec
from sqlalchemy import BigInteger, Column, Table
from sqlalchemy.dialects.postgresql import JSONB

from activities.catalogue.models import (
    Behaviour,
    CityBaseline,
    ConsentText,
    Division,
    DivisionMerge,
    Factor,
    Method,
    MethodMaterial,
    Partner,
    Programme,
    Rule,
    Scene,
    Tariff,
)
from activities.errors import CatalogueRefused
from ledgers.base import Base
from ledgers.models import ExpiryPolicy

BUNDLED = Path(__file__).resolve().parent
DRAFTED = frozenset({"drafted_by", "drafted_at", "approved_by", "approved_at"})  # Not in files.
FILE_BYTES_MAX = 64_000_000  # Unpacked; the divisions of all China are 2 MB.
_CODE = re.compile(r"[A-Za-z0-9._-]{1,64}")

# In the order in which rows refer to each other.
FILES: dict[str, type[Base]] = {
    "divisions.csv.gz": Division,
    "division_merges.csv": DivisionMerge,
    "programmes.csv": Programme,
    "expiry_policies.csv": ExpiryPolicy,
    "partners.csv": Partner,
    "behaviours.csv": Behaviour,
    "factors.csv": Factor,
    "methods.csv": Method,
    "method_materials.csv": MethodMaterial,
    "city_baselines.csv": CityBaseline,
    "tariffs.csv": Tariff,
    "rules.csv": Rule,
    "scenes.csv": Scene,
    "consent_texts.csv": ConsentText,
}


@dataclass(frozen=True, slots=True)
class Line:
    """One row: where it stands, its values by column; ``given`` is one of the files at hand, not
    a row that these refer to and that is known already.
    """

    place: str
    values: dict[str, Any]
    given: bool = True

    def __getitem__(self, column: str) -> Any:
        return self.values[column]


@dataclass(frozen=True, slots=True)
class Tables:
    """All rows of a catalogue by file and key: those given, and those known already."""

    rows: dict[str, dict[tuple[Any, ...], Line]]

    @classmethod
    def of(cls, given: Mapping[str, list[Line]], known: Mapping[str, list[Line]]) -> "Tables":
        """A given row stands before a known one of the same key, the first given before others."""
        rows: dict[str, dict[tuple[Any, ...], Line]] = {}
        for name in FILES:
            key = key_of(name)
            of_file = rows[name] = {}
            for line in (*given.get(name, ()), *known.get(name, ())):
                of_file.setdefault(tuple(line[column] for column in key), line)
        return cls(rows)

    def all(self, name: str) -> Iterable[Line]:
        return self.rows[name].values()

    def given(self, name: str) -> Iterator[Line]:
        return (line for line in self.rows[name].values() if line.given)

    def find(self, name: str, *key: Any) -> Line | None:
        return self.rows[name].get(key)


def table_of(name: str) -> Table:
    """The table that a file fills."""
    return FILES[name].metadata.tables[str(FILES[name].__tablename__)]


def key_of(name: str) -> list[str]:
    """The columns that name a row of a file."""
    return [column.name for column in table_of(name).primary_key]


def read_folder(folder: Path, problems: list[str]) -> dict[str, list[Line]]:
    """The rows of each file that is there; what cannot be read is added to ``problems``.

    Raises CatalogueRefused where none is there.
    """
    found = [name for name in FILES if (folder / name).is_file()]
    if not found:
        raise CatalogueRefused([f"{folder} holds none of {', '.join(FILES)}"])
    return {name: list(_read(folder / name, table_of(name), problems)) for name in found}


def typed(name: str, place: str, written: Mapping[str, str | None]) -> Line:
    """A row of a file's columns that stands in none; raises CatalogueRefused with all its faults.

    A column that is not written is empty.
    """
    columns = {c.name: c for c in table_of(name).columns if c.name not in DRAFTED}
    problems = [f"{place}: column {each} is unknown" for each in sorted(written.keys() - columns)]
    values = {}
    for each, column in columns.items():
        try:
            values[each] = _value(column, written.get(each))
        except ValueError as error:
            problems.append(f"{place}: {error}")
    if problems:
        raise CatalogueRefused(problems)
    return Line(place, values)


def _read(path: Path, table: Table, problems: list[str]) -> Iterator[Line]:
    try:
        reader = csv.DictReader(io.StringIO(_text(path)), strict=True)
        columns = reader.fieldnames or ()
    except (OSError, EOFError, UnicodeDecodeError, ValueError, csv.Error) as error:
        problems.append(f"{path.name}: {error}")
        return
    wanted = {column.name: column for column in table.columns if column.name not in DRAFTED}
    if sorted(columns) != sorted(wanted):
        problems += [f"{path.name}: column {n} is missing" for n in sorted(wanted.keys() - columns)]
        problems += [
            f"{path.name}: column {n} is unknown" for n in sorted(set(columns) - wanted.keys())
        ]
        problems += [f"{path.name}: column {n} stands twice" for n in _twice(columns)]
        return
    while True:
        try:
            row = next(reader, None)
        except csv.Error as error:
            problems.append(f"{path.name} line {reader.line_num}: {error}")
            return
        if row is None:
            return
        place = f"{path.name} line {reader.line_num}"
        try:
            if None in row:
                raise ValueError("it has more fields than columns")
            yield Line(place, {name: _value(c, row[name]) for name, c in wanted.items()})
        except ValueError as error:
            problems.append(f"{place}: {error}")


def _text(path: Path) -> str:
    with gzip.open(path) if path.suffix == ".gz" else path.open("rb") as file:
        raw = file.read(FILE_BYTES_MAX + 1)
    if len(raw) > FILE_BYTES_MAX:
        raise ValueError(f"it holds more than {FILE_BYTES_MAX:,} bytes")
    return raw.decode("utf-8-sig")


def _twice(columns: Any) -> list[str]:
    return sorted({name for name in columns if list(columns).count(name) > 1})


def _value(column: Column[Any], written: str | None) -> Any:
    """The typed value of one field; an empty one is None where the column allows it."""
    written = (written or "").strip()
    if not written:
        if column.nullable:
            return None
        raise ValueError(f"{column.name} is empty")
    if column.name.endswith("code") and not _CODE.fullmatch(written):
        raise ValueError(f"{column.name} is {written!r}: letters, digits and . _ - only")
    if "\0" in written:
        raise ValueError(f"{column.name} holds a zero character")
    try:
        return _typed(column, written)
    except (ValueError, msgspec.DecodeError) as error:
        raise ValueError(f"{column.name} is {written!r}: {error}") from error


def _typed(column: Column[Any], written: str) -> Any:
    if isinstance(column.type, JSONB):
        return msgspec.json.decode(written, type=dict[str, Any])
    kind = column.type.python_type
    if kind is date:
        return date.fromisoformat(written)
    if kind is int:
        bits = 64 if isinstance(column.type, BigInteger) else 32
        value = int(written)
        if not -(2 ** (bits - 1)) <= value < 2 ** (bits - 1):
            raise ValueError("it is too large")
        return value
    return kind(written)
