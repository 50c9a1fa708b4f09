"""Where simulated residents live and to whom their acts are reported: read from the catalogue's
files, so that no server is needed.
"""

import csv
import gzip
import io
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple
from zoneinfo import ZoneInfo

from activities.catalogue.loading import BUNDLED
from activities.errors import UnknownProgramme

# The city of each ready programme, by the first digits of its divisions.
CITIES = {"sh-2026": "3101", "cd-2026": "5101", "jx-2026": "3304"}

METRO = "metro_ride"
BUS = "bus_ride"
BIKE = "shared_bike_ride"
EBIKE = "shared_ebike_ride"
WALK = "walking"
KITCHEN_WASTE = "kitchen_waste_sorted"
RECYCLABLES = "recyclables_delivered"
CLEAN_PLATE = "clean_plate"
OWN_CUP = "own_cup"
OWN_BAG = "own_bag"
ELECTRICITY = "home_electricity"
RIDES = (METRO, BUS, BIKE, EBIKE)
ORDERS = (CLEAN_PLATE, OWN_CUP, OWN_BAG)


class SceneFacts(NamedTuple):
    """What a sender of acts must know of its scene."""

    code: str
    behaviour: str
    channel: str
    base_unit: str
    materials: tuple[str, ...]  # What the method by mass knows; empty for the other forms.
    consent_version: int | None


@dataclass(frozen=True, slots=True)
class City:
    """A programme's city: the towns that residents live in, districts of other cities (where a
    forged position may lie), and the scenes by behaviour and channel.
    """

    programme: str
    zone: ZoneInfo
    towns: tuple[str, ...]
    elsewhere: tuple[str, ...]
    scenes: dict[tuple[str, str], SceneFacts]

    def scene(self, behaviour: str, *channels: str) -> SceneFacts | None:
        """The scene of the first of these channels that reports the behaviour."""
        found = (self.scenes.get((behaviour, channel)) for channel in channels)
        return next((scene for scene in found if scene is not None), None)


def read_city(programme: str, folder: Path = BUNDLED) -> City:
    """The city of a ready programme. Raises UnknownProgramme for any other."""
    prefix = CITIES.get(programme)
    rows = {row["code"]: row for row in _rows(folder / "programmes.csv")}
    if prefix is None or programme not in rows:
        raise UnknownProgramme(programme)
    towns, elsewhere = [], []
    for row in _rows(folder / "divisions.csv.gz"):
        if row["level"] == "town" and row["code"].startswith(prefix):
            towns.append(row["code"])
        elif row["level"] == "district" and not row["code"].startswith(prefix[:2]):
            elsewhere.append(row["code"])
    return City(
        programme,
        ZoneInfo(rows[programme]["zone"]),
        tuple(towns),
        tuple(elsewhere),
        _scenes(programme, folder),
    )


def _scenes(programme: str, folder: Path) -> dict[tuple[str, str], SceneFacts]:
    """Of several scenes with one behaviour and channel the first in the file."""
    units = {row["code"]: row["base_unit"] for row in _rows(folder / "behaviours.csv")}
    materials = _materials(programme, folder)
    scenes: dict[tuple[str, str], SceneFacts] = {}
    for row in _rows(folder / "scenes.csv"):
        behaviour = row["behaviour_code"]
        if row["programme_code"] == programme:
            scenes.setdefault(
                (behaviour, row["channel"]),
                SceneFacts(
                    row["code"],
                    behaviour,
                    row["channel"],
                    units[behaviour],
                    materials.get(behaviour, ()),
                    int(row["consent_version"]) if row["consent_version"] else None,
                ),
            )
    return scenes


def _materials(programme: str, folder: Path) -> dict[str, tuple[str, ...]]:
    """By behaviour, the materials of its latest method by mass."""
    latest = {
        row["behaviour_code"]: (row["code"], row["version"])
        for row in sorted(_rows(folder / "methods.csv"), key=lambda row: int(row["version"]))
        if row["programme_code"] == programme and row["form"] == "mass"
    }
    known: dict[tuple[str, str], list[str]] = {}
    if latest:
        for row in _rows(folder / "method_materials.csv"):
            known.setdefault((row["method_code"], row["version"]), []).append(row["material"])
    return {behaviour: tuple(known.get(key, ())) for behaviour, key in latest.items()}


def _rows(path: Path) -> Iterator[dict[str, str]]:
    raw = gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()
    yield from csv.DictReader(io.StringIO(raw.decode("utf-8-sig")))
