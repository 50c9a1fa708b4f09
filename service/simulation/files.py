"""The stream as files: what each partner would send, and apart from it the labels."""

import csv
from collections.abc import Callable, Iterable, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import BinaryIO

import msgspec

from activities.events import Event
from service.errors import CommandRefused
from service.simulation.people import Resident
from service.simulation.stream import Delivery

LABELS = "labels.csv"
RESIDENTS = "residents.csv"


class FolderNotUsable(CommandRefused):
    """Nothing was written; the text says why, in one line."""


def write_all(
    folder: Path,
    people: Sequence[Resident],
    deliveries: Iterable[Delivery],
    progress: Callable[[int], None],
) -> dict[str, int]:
    """One NDJSON file a scene, in the order of arrival; answers their events.

    RESIDENTS says who lives where. LABELS has a row for each labelled event, by scene, event id and
    the instant of arrival (a duplicate has the id of its first). ``progress`` gets the number of
    events written so far. Raises FolderNotUsable.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        if any(folder.iterdir()):
            raise FolderNotUsable(f"{folder} is not empty")
    except OSError as error:
        raise FolderNotUsable(f"{folder}: {error.strerror}") from error
    with (folder / RESIDENTS).open("w", encoding="utf-8", newline="") as file:
        rows = csv.writer(file)
        rows.writerow(("holder_id", "division_code"))
        rows.writerows((who.holder_id, who.town) for who in people)
    written: dict[str, int] = {}
    with ExitStack() as stack:
        labels = csv.writer(
            stack.enter_context((folder / LABELS).open("w", encoding="utf-8", newline=""))
        )
        labels.writerow(("scene", "event_id", "received_at", "label"))
        files: dict[str, BinaryIO] = {}
        for received_at, scene, acts in deliveries:
            if scene not in files:
                files[scene] = stack.enter_context((folder / f"{scene}.ndjson").open("wb"))
            files[scene].write(b"".join(line(act.event) for act in acts))
            for event, label in acts:
                if label is not None:
                    labels.writerow((scene, event.event_id, received_at.isoformat(), label))
            written[scene] = written.get(scene, 0) + len(acts)
            progress(sum(written.values()))
    return written


def line(event: Event) -> bytes:
    """An event as a partner sends it: the scene is in the address, attesting is the door's."""
    sent = msgspec.to_builtins(event)
    del sent["scene"]
    if details := sent.get("details"):
        details.pop("attested", None)
    return msgspec.json.encode(sent) + b"\n"
