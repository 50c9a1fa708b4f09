"""``tanhui import``: a file of any length through the intake, batch by batch, in flat memory.

Each batch is one transaction. Killed half-way and run again, the batches that were committed are
answered as before and the others are done: the figures come out as in an undisturbed run.
"""

import csv
import json
import os
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from io import TextIOWrapper
from itertools import islice
from pathlib import Path
from uuid import UUID
from zoneinfo import ZoneInfo

import msgspec
from sqlalchemy.orm import Session

from activities.errors import UnknownScene
from activities.events import Answer, Batch, Event
from activities.intake import record
from activities.models import Programme, Scene
from service.db import Database
from service.feeds.formats import FORMATS, ForeignEvent, Format, Row
from service.identity.subjects import find_holders

BATCH_ROWS = 5_000
PROBLEMS_KEPT = 100


class UnreadableFile(Exception):
    """Nothing was imported; the text says why, in one line."""


class _DryRun(Exception):
    """Rolls a batch back that was only tried."""


@dataclass(slots=True)
class Summary:
    """What a file came to. The first PROBLEMS_KEPT unreadable rows are kept with their line."""

    rows: int = 0
    already_known: int = 0
    by_code: Counter[str] = field(default_factory=Counter)
    saved_mg_co2e: int = 0
    points: int = 0
    trimmed_points: int = 0
    unreadable: int = 0
    problems: list[tuple[int, str]] = field(default_factory=list)

    def add(self, answer: Answer) -> None:
        """Count one event's answer; of an event sent before, its first answer."""
        self.already_known += not answer.written and answer.code != "event_id_reused"
        self.by_code[answer.code] += 1
        self.saved_mg_co2e += answer.saved_mg_co2e
        self.points += answer.points
        self.trimmed_points += answer.trimmed_points

    def refuse(self, line: int, why: str) -> None:
        """Count a row that could not be read."""
        self.unreadable += 1
        if len(self.problems) < PROBLEMS_KEPT:
            self.problems.append((line, why))

    @property
    def verified(self) -> int:
        return self.by_code["verified"] + self.by_code["daily_cap"]


@dataclass(frozen=True, slots=True)
class _Source:
    """The scene a file belongs to."""

    scene_code: str
    partner_code: str
    zone: ZoneInfo
    format: Format


def import_file(
    database: Database,
    path: Path,
    scene_code: str,
    *,
    dry_run: bool = False,
    progress: Callable[[int], None] = lambda _: None,
) -> Summary:
    """Import a CSV or NDJSON file of a scene; ``progress`` hears how many bytes were read.

    Rows that cannot be read are counted with their line, the others imported. Safe to repeat.

    Raises:
        UnknownScene: no such scene.
        UnreadableFile: not a file we can read, or a column is missing; nothing was imported.
    """
    source = database.transact(lambda session: _source(session, scene_code))
    summary = Summary()
    try:
        with path.open(encoding="utf-8-sig", errors="replace", newline="") as file:
            rows = _rows(path, file, source.format.columns, summary)
            while chunk := list(islice(rows, BATCH_ROWS)):
                _import_chunk(database, source, chunk, summary, dry_run=dry_run)
                progress(os.lseek(file.fileno(), 0, os.SEEK_CUR))
    except OSError as error:
        raise UnreadableFile(f"{path}: {error.strerror}") from error
    return summary


def _source(session: Session, scene_code: str) -> _Source:
    scene = session.get(Scene, scene_code)
    if scene is None:
        raise UnknownScene(scene_code)
    programme = session.get_one(Programme, scene.programme_code)
    return _Source(
        scene.code, scene.partner_code, ZoneInfo(programme.zone), FORMATS[scene.feed_format]
    )


def _rows(
    path: Path, file: TextIOWrapper, columns: tuple[str, ...], summary: Summary
) -> Iterator[tuple[int, Row]]:
    """Rows with their line number, counted; those that are no rows go to the summary."""
    lines = _ndjson(file) if path.suffix in (".ndjson", ".jsonl") else _csv(path, file, columns)
    for line, row in lines:
        summary.rows += 1
        if isinstance(row, str):
            summary.refuse(line, row)
        elif missing := [name for name in columns if not isinstance(row.get(name), str)]:
            summary.refuse(line, f"no {', '.join(missing)}")
        else:
            yield line, row


def _csv(
    path: Path, file: TextIOWrapper, columns: tuple[str, ...]
) -> Iterator[tuple[int, Row | str]]:
    reader = csv.DictReader(file, strict=True)
    try:
        header = reader.fieldnames or []
    except csv.Error as error:
        raise UnreadableFile(f"{path}: {error}") from error
    if missing := [name for name in columns if name not in header]:
        raise UnreadableFile(f"{path}: column {', '.join(missing)} is missing")
    while True:
        try:
            row = next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            yield reader.line_num, str(error)
        else:
            yield reader.line_num, row if None not in row else "more fields than columns"


def _ndjson(file: TextIOWrapper) -> Iterator[tuple[int, Row | str]]:
    for number, line in enumerate(file, 1):
        if line.strip():
            try:
                row = json.loads(line)
            except ValueError:
                yield number, "not JSON"
            else:
                yield number, _texts(row) if isinstance(row, dict) else "not a JSON object"


def _texts(row: dict[str, object]) -> Row:
    """A whole number may be a JSON number; everything else is text."""
    return {name: str(v) if type(v) is int else v for name, v in row.items()}  # type: ignore[misc]


def _import_chunk(
    database: Database,
    source: _Source,
    chunk: list[tuple[int, Row]],
    summary: Summary,
    *,
    dry_run: bool,
) -> None:
    foreign = []
    for line, row in chunk:
        try:
            foreign.append((line, source.format.parse(row, source.zone)))
        except ValueError as error:
            summary.refuse(line, str(error))
    received_at = datetime.now(UTC)
    answers: list[Answer] = []
    problems: list[tuple[int, str]] = []

    def work(session: Session) -> None:
        answers.clear()  # A retry starts over.
        problems.clear()
        events = _events(session, source, foreign, problems)
        actor = f"import:{source.partner_code}"
        answers.extend(record(session, Batch(events, actor, received_at)))
        if dry_run:
            raise _DryRun

    with suppress(_DryRun):
        database.transact(work)
    for answer in answers:
        summary.add(answer)
    for line, why in problems:
        summary.refuse(line, why)


def _events(
    session: Session,
    source: _Source,
    foreign: list[tuple[int, ForeignEvent]],
    problems: list[tuple[int, str]],
) -> list[Event]:
    """Events of known residents; the others go to ``problems``."""
    holders: dict[str, UUID] | None = None
    if not source.format.by_holder_id:
        holders = find_holders(session, source.partner_code, {row.subject for _, row in foreign})
    events = []
    for line, row in foreign:
        holder_id = row.subject if holders is None else holders.get(row.subject)
        if holder_id is None:
            problems.append((line, f"unknown resident {row.subject[:64]!r}"))
            continue
        try:
            events.append(
                msgspec.convert(
                    {
                        "event_id": row.event_id,
                        "scene": source.scene_code,
                        "holder_id": holder_id,
                        "started_at": row.started_at,
                        "ended_at": row.ended_at,
                        "quantity": row.quantity,
                    },
                    Event,
                )
            )
        except msgspec.ValidationError as error:
            problems.append((line, str(error)))
    return events
