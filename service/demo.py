"""The demo: a fresh programme from the bundled real data, end to end, safe to repeat.

The data sets name no residents of China: 33 wearers of trackers and 200 rentals, each rental a
rider of its own, are openly settled in the towns of two real districts.
"""

import csv
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime
from pathlib import Path
from uuid import NAMESPACE_URL, UUID, uuid4, uuid5

from sqlalchemy import select
from sqlalchemy.orm import Session

from activities.catalogue.loading import load
from activities.catalogue.models import Division
from activities.participants import enrol
from rewards.redeeming.redemption import Redeemed, redeem
from service.buyers import buyer_of
from service.demo_shops import DEMO_PROGRAMME, OFFER_ID, open_shops
from service.districts.plans import targets
from service.districts.published.month import Report, report
from service.districts.reports.issuing import issue
from service.feeds.importing import Summary, import_file
from service.identity.keyring import Keyring
from service.identity.outside_ids import add_ids, find_holders
from service.jobs.work import roll_up_districts, seal_log
from service.services import Services

DATA = Path(__file__).resolve().parent / "data"
DISTRICTS = {"310118": 2, "510105": 1}  # 青浦区, 青羊区: of three residents two live in the first.


@dataclass(frozen=True, slots=True)
class Feed:
    """A bundled file, its scene, and the column by which its sender knows the resident."""

    scene: str
    partner: str
    file: Path
    subject_column: str


FEEDS = (
    Feed("demo.walking", "fitbit-sample", DATA / "steps-2016.csv", "Id"),
    Feed("demo.bike", "tfl-sample", DATA / "bike-rentals-2016.csv", "Rental.Id"),
)
REPORTS = (  # Of 青羊区 the other months are withheld whole: too few walked there.
    *(("310118", date(2016, month, 1)) for month in (1, 4, 5)),
    ("510105", date(2016, 1, 1)),
)
JOINED_AT = datetime(2015, 12, 31, 16, tzinfo=UTC)  # In Shanghai 2016 begins: before all they did.
RESIDENT = "1503960366"  # The first wearer in the file, whose page the demo shows.

_NAMESPACE = uuid5(NAMESPACE_URL, "https://tanhui.example/demo")
REDEMPTION_ID = uuid5(_NAMESPACE, "redemption")


@dataclass(frozen=True, slots=True)
class Demo:
    """What the demo did, or found done."""

    holder_id: UUID
    imports: dict[str, Summary]
    redeemed: Redeemed
    reports: list[Report]


def run_demo(services: Services) -> Demo:
    """Load, enrol, import, redeem, issue reports; a second run changes no balance."""
    now, keyring = datetime.now(UTC), services.keyring
    transact = services.database.transact
    transact(lambda session: load(session, now=now))
    transact(targets.load)
    transact(lambda session: _settle(session, keyring, now))
    imports = {
        feed.scene: import_file(services.database, keyring, feed.file, feed.scene) for feed in FEEDS
    }
    transact(lambda session: open_shops(session, services.codes, now=now))
    holder_id = transact(lambda session: demo_resident(session, keyring))
    assert holder_id is not None
    redeemed = transact(
        lambda session: redeem(
            session,
            REDEMPTION_ID,
            buyer=buyer_of(session, holder_id),
            offer_id=OFFER_ID,
            codes=services.codes,
            now=datetime.now(UTC),  # After what was earned, as the statement shows it.
        )
    )
    return Demo(holder_id, imports, redeemed, _reports(services))


def _reports(services: Services) -> list[Report]:
    """What was recorded is summed, as the jobs do it, and issued; what is issued stays so."""
    now = datetime.now(UTC)
    seal_log(services, now)
    roll_up_districts(services, now)

    def issued_one(session: Session, division: str, month: date) -> Report:
        key = services.log.signer(session)
        issue(session, key, division, f"{month:%Y-%m}", by="demo", now=now)
        return report(session, division, month, now=now)

    def issued(session: Session) -> list[Report]:
        return [issued_one(session, *which) for which in REPORTS]

    return services.database.transact(issued)


def demo_resident(session: Session, keyring: Keyring) -> UUID | None:
    """The holder whose activities the first page shows; None where no demo was run."""
    return find_holders(session, keyring, FEEDS[0].partner, [RESIDENT]).get(RESIDENT)


def _settle(session: Session, keyring: Keyring, now: datetime) -> None:
    """Enrol every subject of the bundled files in a town."""
    towns = {code: _towns(session, code) for code in DISTRICTS}
    for feed in FEEDS:
        subjects = _subjects(feed)
        new = {subject: uuid4() for subject in subjects}
        holders = add_ids(session, keyring, feed.partner, new, now=now)
        homes = _homes(len(subjects), towns)
        enrol(
            session,
            DEMO_PROGRAMME,
            {holders[subject]: home for subject, home in zip(subjects, homes, strict=True)},
            now=JOINED_AT,
        )


def _subjects(feed: Feed) -> list[str]:
    with feed.file.open(encoding="utf-8", newline="") as file:
        return sorted({row[feed.subject_column] for row in csv.DictReader(file)})


def _towns(session: Session, district: str) -> list[str]:
    query = select(Division.code).where(Division.parent_code == district).order_by(Division.code)
    return list(session.scalars(query))


def _homes(count: int, towns: dict[str, list[str]]) -> Iterator[str]:
    """A town for each of ``count`` residents: each goes where the share is least filled.

    Shares fall with a town's place in its district, so that some cells of the report are large
    enough to be published and others are not, as in life.
    """
    shares = {
        town: DISTRICTS[district] / (place + 1) ** 1.2
        for district, codes in towns.items()
        for place, town in enumerate(codes)
    }
    filled = dict.fromkeys(shares, 0)
    for _ in range(count):
        town = min(shares, key=lambda code: ((filled[code] + 1) / shares[code], code))
        filled[town] += 1
        yield town
