"""Plan targets: what published plans want of divisions, read from a CSV file of a folder.

Kept here: all rows of a file load, or none; every problem names file and line. A row that is loaded
again in other words takes the place of the one before: a plan's text is corrected, not versioned.
"""

import csv
import io
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import date
from pathlib import Path
from typing import Any

from sqlalchemy import or_, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from activities.catalogue.checking import Checked
from activities.catalogue.files import BUNDLED as CATALOGUE
from activities.catalogue.files import read_folder
from activities.catalogue.models import Division
from activities.errors import CatalogueRefused
from service.districts.models import PlanTarget
from service.districts.plans.thousandths import thousandths

NAME = "plan_targets.csv"
BUNDLED = Path(__file__).resolve().parent
UNITS = ("%", "count", "km", "kWh", "kg", "t", "person")
COMPARISONS = (">=", ">", "<=", "<")
KINDS = ("reported",)  # What the platform sees of its own residents is held against no plan.
FILE_BYTES_MAX = 4 * 1024 * 1024
PROBLEMS_MAX = 20
_COLUMNS = (
    *("division_code", "division_name", "plan", "issued", "indicator", "name_zh", "name_en"),
    *("target", "unit", "comparison", "year", "how_measured"),
)
_OPTIONAL = ("clause",)  # The bundled plans are cited as a whole.
_EMPTY_ALLOWED = ("issued", "clause")
_YEARS = range(2000, 2101)
_KEY = ("division_code", "plan", "indicator", "year")

Row = dict[str, Any]  # By column of plan_target.


def is_alone(folder: Path) -> bool:
    """Whether a folder holds plan targets and no file of the catalogue."""
    try:
        read_folder(folder, [])
    except CatalogueRefused:
        return (folder / NAME).is_file()
    return False


def load_folder(session: Session, folder: Path) -> dict[str, int]:
    """Load the folder's file, where it has one; the catalogue's own folder has the bundled one.

    Answers how many rows are new or say something else now, by file name. The same file again
    changes nothing. Raises CatalogueRefused, and nothing was loaded.
    """
    path = _file_of(folder)
    return {NAME: load(session, path)} if path.is_file() else {}


def load(session: Session, path: Path = BUNDLED / NAME) -> int:
    """Load one file; see ``load_folder``. One statement besides those that check it."""
    query = select(Division.code, Division.name_zh)
    known = {row.code: row.name_zh for row in session.execute(query)}
    problems: list[str] = []
    rows = read(path, known, problems)
    problems += _of_other_units(rows, session)
    if problems:
        raise CatalogueRefused(_first(problems))
    if not rows:
        return 0
    new = insert(PlanTarget).values(rows)
    told = [name for name in rows[0] if name not in _KEY]
    differs = or_(
        *(getattr(PlanTarget, name).is_distinct_from(new.excluded[name]) for name in told)
    )
    written = session.execute(
        new.on_conflict_do_update(
            index_elements=_KEY, set_={name: new.excluded[name] for name in told}, where=differs
        ).returning(PlanTarget.indicator)
    )
    return len(written.all())


def check_folder(folder: Path) -> Checked:
    """How many rows the folder's file has, and what is wrong with them; asks no database. The
    divisions are the bundled ones.
    """
    path = _file_of(folder)
    if not path.is_file():
        return Checked(0, 0, [], [])
    problems: list[str] = []
    divisions = read_folder(CATALOGUE, [])["divisions.csv.gz"]
    known = {line["code"]: line["name_zh"] for line in divisions}
    rows = read(path, known, problems)
    return Checked(1, len(rows), problems, [])


def read(path: Path, divisions: Mapping[str, str], problems: list[str]) -> list[Row]:
    """The rows of a file that are right; what is wrong with others is added to ``problems``.

    ``divisions`` are names by code. Provinces and cities may be written in six digits, as the
    national standard has them (310000): their codes here end before the zeros.
    """
    try:
        raw = path.read_bytes()
        if len(raw) > FILE_BYTES_MAX:
            raise ValueError(f"it holds more than {FILE_BYTES_MAX:,} bytes")
        reader = csv.DictReader(io.StringIO(raw.decode("utf-8-sig"), newline=""), strict=True)
        lines = [(reader.line_num, line) for line in reader]
        columns = list(reader.fieldnames or ())
    except (OSError, ValueError, csv.Error) as error:
        problems.append(f"{path.name}: {error}")
        return []
    if sorted(set(columns) - set(_OPTIONAL)) != sorted(_COLUMNS) or len(set(columns)) != len(
        columns
    ):
        problems.append(f"{path.name}: its columns are not {','.join((*_COLUMNS, *_OPTIONAL))}")
        return []
    found: dict[tuple[Any, ...], tuple[str, Row]] = {}
    for number, line in lines:
        place = f"{path.name} line {number}"
        row, wrong = _row(line, divisions)
        problems += [f"{place}: {each}" for each in wrong]
        if wrong:
            continue
        key = tuple(row[name] for name in _KEY)
        if key in found:
            problems.append(f"{place}: stands twice, first in {found[key][0]}")
        found.setdefault(key, (place, row))
    rows = [row for _, row in found.values()]
    problems += _of_two_units(found.values())
    return rows


def _file_of(folder: Path) -> Path:
    return (BUNDLED if folder.resolve() == CATALOGUE else folder) / NAME


def _first(problems: Sequence[str]) -> list[str]:
    rest = len(problems) - PROBLEMS_MAX
    return [*problems[:PROBLEMS_MAX], *([f"and {rest} more"] if rest > 0 else [])]


def division_of(written: str) -> str:
    """The code here of a code in six digits: 310000 → 31, 330400 → 3304, 310118 → 310118."""
    if len(written) == 6 and written.endswith("00"):
        return written[:-4] if written.endswith("0000") else written[:-2]
    return written


def _row(line: Mapping[str | None, Any], divisions: Mapping[str, str]) -> tuple[Row, list[str]]:
    if None in line:
        return {}, ["it has more fields than columns"]
    said = {str(name): (value or "").strip() for name, value in line.items()}
    wrong = [
        f"{name} is empty"
        for name, value in said.items()
        if not value and name not in _EMPTY_ALLOWED
    ]
    wrong += [f"{name} holds a control character" for name, v in said.items() if "\0" in v]
    if wrong:
        return {}, wrong
    code = division_of(said["division_code"])
    row: Row = {
        "division_code": code,
        "plan": said["plan"],
        "indicator": said["indicator"],
        "clause": said.get("clause") or None,
        "name_zh": said["name_zh"],
        "name_en": said["name_en"],
        "unit": said["unit"],
        "comparison": said["comparison"],
        "how_measured": said["how_measured"],
    }
    if code not in divisions:
        wrong.append(f"division_code {said['division_code']} is unknown")
    elif divisions[code] != said["division_name"]:
        wrong.append(f"division_name is {said['division_name']!r}, but {divisions[code]!r} there")
    if not row["indicator"].replace("_", "").isalnum() or not row["indicator"].isascii():
        wrong.append(f"indicator is {row['indicator']!r}: letters, digits and _ only")
    wrong += _not_one_of(row)
    for name, column, kind in (
        ("target_thousandths", "target", thousandths),
        ("year", "year", _year),
        ("issued_on", "issued", _day),
    ):
        try:
            row[name] = kind(said[column])
        except ValueError as error:
            wrong.append(f"{column} is {said[column]!r}: {error}")
    return row, wrong


def _not_one_of(row: Row) -> Iterator[str]:
    for name, allowed in (
        ("unit", UNITS),
        ("comparison", COMPARISONS),
        ("how_measured", KINDS),
    ):
        if row[name] not in allowed:
            yield f"{name} is {row[name]!r}, none of {', '.join(allowed)}"


def _year(said: str) -> int:
    if not said.isascii() or not said.isdigit() or int(said) not in _YEARS:
        raise ValueError(f"no year from {_YEARS[0]} to {_YEARS[-1]}")
    return int(said)


def _day(said: str) -> date | None:
    return date.fromisoformat(said) if said else None


def _of_two_units(rows: Iterable[tuple[str, Row]]) -> Iterator[str]:
    """An indicator is measured in one unit everywhere: what is reported must fit every plan."""
    first: dict[str, tuple[str, str]] = {}
    for place, row in rows:
        before, unit = first.setdefault(row["indicator"], (place, row["unit"]))
        if unit != row["unit"]:
            yield f"{place}: {row['indicator']} is in {row['unit']}, but in {unit} in {before}"


def _of_other_units(rows: Sequence[Row], session: Session) -> Iterator[str]:
    """The same against what is loaded."""
    query = select(PlanTarget.indicator, PlanTarget.unit).distinct()
    loaded = {row.indicator: row.unit for row in session.execute(query)}
    for row in rows:
        unit = loaded.get(row["indicator"], row["unit"])
        if unit != row["unit"]:
            yield f"{NAME}: {row['indicator']} is in {row['unit']}, but loaded in {unit}"
