"""``tanhui import``: a file of any length through the intake, batch by batch, in flat memory.

Each batch is one transaction. Killed half-way and run again, the batches that were committed are
answered as before and the others are done: the figures come out as in an undisturbed run.
"""

import csv
import json
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from io import TextIOWrapper
from itertools import islice
from pathlib import Path

import msgspec
from sqlalchemy.orm import Session

from activities.catalogue.models import Scene
from activities.events import Answer, Batch, Event
from activities.intake import record
from service.db import Database
from service.feeds.batches import Feed, get_feed, keep
from service.feeds.bodies import SentEvent, read_line, unacceptable
from service.feeds.files import EventFile, UnreadableFile
from service.feeds.formats import FORMATS, ForeignEvent, Format, Row
from service.feeds.line_messages import line_message
from service.feeds.mapping import Read
from service.identity.keyring import Keyring
from service.identity.outside_ids import find_holders

BATCH_ROWS = 5_000
PROBLEMS_KEPT = 100


class _DryRun(Exception):
    """Rolls a batch back that was only tried."""


@dataclass(slots=True)
class Summary:
    """What a file came to. The first PROBLEMS_KEPT unreadable rows are kept with their line."""

    rows: int = 0
    already_known: int = 0
    by_code: Counter[str] = field(default_factory=Counter)
    by_decision: Counter[str] = field(default_factory=Counter)
    not_granted: Counter[str] = field(default_factory=Counter)  # By code: refused or held.
    trimmed: int = 0
    saved_mg_co2e: int = 0
    points: int = 0
    trimmed_points: int = 0
    unreadable: int = 0
    problems: list[tuple[int, str]] = field(default_factory=list)

    def add(self, answer: Answer) -> None:
        """Count one event's answer; of an event sent before, its first answer."""
        self.already_known += not answer.written and answer.code != "event_id_reused"
        self.by_code[answer.code] += 1
        self.by_decision[answer.decision] += 1
        if answer.decision != "verified":
            self.not_granted[answer.code] += 1
        self.trimmed += answer.trimmed_points > 0
        self.saved_mg_co2e += answer.saved_mg_co2e
        self.points += answer.points
        self.trimmed_points += answer.trimmed_points

    def refuse(self, line: int, why: str) -> None:
        """Count a row that could not be read."""
        self.unreadable += 1
        if len(self.problems) < PROBLEMS_KEPT:
            self.problems.append((line, why))

    @property
    def recorded(self) -> int:
        """How many events were new."""
        return self.by_code.total() - self.already_known - self.by_code["event_id_reused"]

    @property
    def verified(self) -> int:
        return self.by_decision["verified"]


@dataclass(frozen=True, slots=True)
class _Source:
    """The scene a file belongs to, and how the file is written."""

    feed: Feed
    format: Format
    native: bool
    file: EventFile
    delimiter: str


def import_file(
    database: Database,
    keyring: Keyring,
    path: Path,
    scene_code: str,
    *,
    mapping: Read | None = None,
    dry_run: bool = False,
    begun: Callable[[Session], None] = lambda _: None,
    progress: Callable[[int], None] = lambda _: None,
) -> Summary:
    """Import a CSV or NDJSON file of a scene, also packed as ``.gz`` or ``.zip``.

    ``mapping`` says how a foreign file is read; without one the scene's format does. ``begun`` is
    called in the transaction of the first batch that records anything. ``progress`` hears how many
    bytes of the file were read. Rows that cannot be read are counted with their
    line, the others imported. Safe to repeat.

    Raises:
        UnknownScene: no such scene.
        UnreadableFile: not a file we can read, or a column is missing; nothing was imported.
    """
    source = database.transact(lambda s: _source(s, keyring, scene_code, path, mapping))
    source.file.check()
    summary = Summary()
    with source.file.opened() as (text, read_bytes):
        rows = _rows(source, text, summary)
        while chunk := list(islice(rows, BATCH_ROWS)):
            _import_chunk(database, source, chunk, summary, begun, dry_run=dry_run)
            progress(read_bytes())
    return summary


def _source(
    session: Session, keyring: Keyring, scene_code: str, path: Path, mapping: Read | None
) -> _Source:
    feed = get_feed(session, keyring, scene_code)
    if mapping is not None:
        file = EventFile(path, mapping.encoding)
        return _Source(feed, mapping.format, False, file, mapping.delimiter)
    name = session.get_one(Scene, scene_code).feed_format
    return _Source(feed, FORMATS[name], name == "native", EventFile(path), ",")


def _rows(
    source: _Source, text: TextIOWrapper, summary: Summary
) -> Iterator[tuple[int, SentEvent]]:
    """Events with their line number; rows that are none go to the summary, all are counted."""
    lines = _lines(source, text) if source.file.is_ndjson else _csv(source, text)
    for line, row in lines:
        summary.rows += 1
        try:
            found = row if isinstance(row, str | SentEvent) else _sent(source, row)
        except (ValueError, ArithmeticError) as error:
            summary.refuse(line, _why(error))
        else:
            if isinstance(found, str):
                summary.refuse(line, found)
            else:
                yield line, found


def _csv(source: _Source, text: TextIOWrapper) -> Iterator[tuple[int, Row | str]]:
    path, columns = source.file.path, source.format.columns
    reader = csv.DictReader(text, delimiter=source.delimiter, strict=True)
    try:
        header = reader.fieldnames or []
    except csv.Error as error:
        raise UnreadableFile(f"{path}: line {reader.line_num}: {error}") from error
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


def _lines(source: _Source, text: TextIOWrapper) -> Iterator[tuple[int, Row | SentEvent | str]]:
    for number, line in enumerate(text, 1):
        if line.isspace():
            continue
        if source.native:
            _, event, error = read_line(number, line)
            yield number, event if event is not None else error.en if error else ""
            continue
        try:
            row = json.loads(line)
        except (ValueError, RecursionError):
            yield number, "not JSON"
        else:
            yield number, _texts(row) if isinstance(row, dict) else "not a JSON object"


def _texts(row: dict[str, object]) -> Row:
    """A whole number may be a JSON number; everything else is text."""
    return {name: str(v) if type(v) is int else v for name, v in row.items()}  # type: ignore[misc]


def _sent(source: _Source, row: Row) -> SentEvent | str:
    """The event of a row, or why it is none; raises ValueError and ArithmeticError likewise."""
    if missing := [n for n in source.format.columns if not isinstance(row.get(n), str)]:
        return f"no {', '.join(missing)}"
    event = _checked(source.format.parse(row, source.feed.zone), source.format)
    why = unacceptable(event)
    return event if why is None else why.en


def _checked(foreign: ForeignEvent, format_: Format) -> SentEvent:
    """What a partner may send is what a file may hold."""
    return msgspec.convert(
        {
            "event_id": foreign.event_id,
            "holder_id" if format_.by_holder_id else "subject": foreign.subject,
            "started_at": foreign.started_at,
            "ended_at": foreign.ended_at,
            "quantity": foreign.quantity,
            "details": foreign.details,
        },
        SentEvent,
    )


def _why(error: Exception) -> str:
    if isinstance(error, msgspec.ValidationError):
        return line_message(error).en
    if isinstance(error, ArithmeticError):
        return "a date or a number beyond all bounds"
    return " ".join(str(error).split())


def _import_chunk(
    database: Database,
    source: _Source,
    chunk: list[tuple[int, SentEvent]],
    summary: Summary,
    begun: Callable[[Session], None],
    *,
    dry_run: bool,
) -> None:
    received_at = datetime.now(UTC)
    feed, file = source.feed, source.file.path.name
    answers: list[Answer] = []
    problems: list[tuple[int, str]] = []

    def work(session: Session) -> None:
        answers.clear()  # A retry starts over.
        problems.clear()
        events = _events(session, feed, chunk, problems)
        batch = Batch(events, f"import:{feed.partner_code}", received_at)
        answers.extend(record(session, batch))
        keep(session, feed, f"file {file[:200]}, line {chunk[0][0]}", batch, answers)
        if dry_run:
            raise _DryRun
        if summary.recorded == 0 and any(answer.written for answer in answers):
            begun(session)

    with suppress(_DryRun):
        database.transact(work)
    for answer in answers:
        summary.add(answer)
    for line, why in problems:
        summary.refuse(line, why)


def _events(
    session: Session,
    feed: Feed,
    chunk: list[tuple[int, SentEvent]],
    problems: list[tuple[int, str]],
) -> list[Event]:
    """Events of known residents; the others go to ``problems``."""
    subjects = {sent.subject for _, sent in chunk if sent.subject is not None}
    holders = find_holders(session, feed.keyring, feed.partner_code, subjects)
    events = []
    for line, sent in chunk:
        holder_id = sent.holder_id if sent.subject is None else holders.get(sent.subject)
        if holder_id is None:
            problems.append((line, f"unknown resident {sent.subject!r}"))
        else:
            events.append(sent.of(holder_id, feed.scene_code))
    return events
