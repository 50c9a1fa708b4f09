"""Two programmes with a resident each who has one of everything; whoever is in one guesses ids of
the other.
"""

from dataclasses import dataclass, field, fields
from datetime import UTC, date, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

from sqlalchemy import select, text
from sqlalchemy.orm import Session

from activities.catalogue.models import Rule
from activities.changes import proposals
from activities.participants import enrol
from activities.reviewing.appeals import open_appeal
from ledgers import corrections
from ledgers.accounts import PERSONAL, account_key
from ledgers.base import Base
from ledgers.models import Transfer
from rewards.merchants import agreements, scanners, shops
from rewards.models import CodeDevice, Offer, Scan
from rewards.offers import budgets, projects
from rewards.redeeming.redemption import redeem
from rewards.voucher_codes import voucher_code
from service.admin.log import Actor
from service.api_keys.keys import NewKey
from service.api_keys.keys import make as make_key
from service.buyers import buyer_of
from service.db import Database
from service.identity import cards
from service.identity.family.delegations import begin as begin_delegation
from service.identity.logins.sessions import Login, begin
from service.identity.staff.models import Staff, StaffGrant
from service.services import Services
from tests import shopping
from tests.catalogues import NOW, OF_OLD, TOWN, a_programme, an_act
from tests.settlements import LATELY, a_drafted, lines_for

HELD = {"kind": "sample", "permille": 1000}
UP_TO_100 = {"kind": "quantity_range", "min": 1, "max": 100}
# Of what a request may leave behind without having changed anything: a resident's lock, what was
# counted, when somebody was last seen.
_PASSING = {"key_use", "job_lease", "job_run", "job_state", "log_reader"}


@dataclass
class Side:
    """A programme, and the ids of what is in it, by the names that guesses use."""

    programme: str
    issuer: UUID
    scene: str  # Its word is the partner's.
    app_scene: str
    staff_scene: str
    consent_scene: str
    town: str
    resident: UUID
    neighbour: UUID  # Of the same programme and town, with nothing.
    account: UUID
    activity: UUID
    held: UUID
    refused: UUID
    correction: UUID
    activity_correction: UUID
    posting: UUID
    transfer: UUID
    merchant: UUID
    offer: UUID
    redemption: UUID
    voucher: str
    card: str
    session: UUID
    draft: str
    relative: UUID  # Who may act for the resident.
    delegation: UUID
    member: UUID  # Of the staff, with a grant in the programme.
    grant: UUID
    api_key: UUID
    api_key_written: str
    # Ids that clients made.
    app_activity: UUID = field(default_factory=uuid4)
    entry: UUID = field(default_factory=uuid4)
    registration: UUID = field(default_factory=uuid4)
    consumption: UUID = field(default_factory=uuid4)
    shop: UUID = field(default_factory=uuid4)
    scanner: UUID = field(default_factory=uuid4)
    agreement: UUID = field(default_factory=uuid4)
    clerk: UUID = field(default_factory=uuid4)
    budget: UUID = field(default_factory=uuid4)
    project: UUID = field(default_factory=uuid4)
    top_up: UUID = field(default_factory=uuid4)  # Of the resident, and open for hours.
    webhook: UUID = field(default_factory=uuid4)
    settlement: UUID = field(default_factory=uuid4)
    scan: UUID = field(default_factory=uuid4)
    code_device: UUID = field(default_factory=uuid4)
    webhook_message: UUID = field(default_factory=uuid4)
    spare_card: str = field(default_factory=lambda: f"CARD{uuid4().hex[:12].upper()}")

    @property
    def district(self) -> str:
        return self.town[:6]

    def masked(self, answer: str) -> str:
        """An answer in which each value of this side is its name."""
        for each in fields(self):
            answer = answer.replace(str(getattr(self, each.name)), f"<{each.name}>")
        return answer.replace(self.district, "<district>")


def nobody() -> Side:
    """Values of the same shapes that stand for nothing."""
    code = f"t{uuid4().hex[:8]}"
    scenes = [f"ride-{each}-{uuid4().hex[:6]}" for each in ("operator", "app", "staff", "operator")]
    ids = {each.name: uuid4() for each in fields(Side) if each.type is UUID}
    return Side(
        programme=code,
        scene=scenes[0],
        app_scene=scenes[1],
        staff_scene=scenes[2],
        consent_scene=scenes[3],
        town="999999001",
        voucher=voucher_code(b"n" * 32, uuid4()),
        card=f"CARD{uuid4().hex[:12].upper()}",
        draft=f"rule:{code}.90@2",
        api_key_written=f"key-of-{code}",
        **ids,
    )


def a_side(services: Services, town: str = TOWN) -> Side:
    """Committed."""
    side = services.database.transact(lambda session: _side(session, services, town))
    services.database.transact(lambda session: _around_merchant(session, side))
    services.database.transact(
        lambda session: shopping.an_open_top_up(
            session, side.resident, order_id=side.top_up, offer_id=side.offer
        )
    )
    services.database.transact(lambda session: _at_till(session, side))
    services.database.transact(lambda session: _settled(session, side))
    services.database.transact(
        lambda session: shopping.a_webhook(
            session, side.merchant, endpoint_id=side.webhook, message_id=side.webhook_message
        )
    )
    return side


def _settled(session: Session, side: Side) -> None:
    lines_for(session, side.merchant, [500], at=LATELY.begins_at)
    a_drafted(session, side.merchant, LATELY, id_=side.settlement)


def _side(session: Session, services: Services, town: str) -> Side:
    trial = a_programme(session)
    trial.behaviour("ride")
    trial.behaviour("swim", rules=[HELD])
    trial.behaviour("walk", rules=[UP_TO_100])
    ride = trial.scene("ride")
    resident, neighbour, merchant = uuid4(), uuid4(), uuid4()
    enrol(session, trial.code, {resident: town, neighbour: town}, now=NOW)
    done, held, refused = trial.record(
        an_act(ride, resident, 0, quantity=52),
        an_act(trial.scene("swim"), resident, 60, quantity=52),
        an_act(trial.scene("walk"), resident, 120, quantity=520),
    )
    open_appeal(session, resident, refused.activity_id, words="why", now=NOW)
    grant = corrections.Grant(trial.holder_id, "point", 5)
    correction, activity_correction = uuid4(), uuid4()
    asked: dict[str, Any] = {"holder_id": resident, "reason": "r", "proposed_by": "p", "now": NOW}
    corrections.propose(session, correction, reversals={}, grant=grant, **asked)
    proposals.propose(
        session, activity_correction, activity_id=done.activity_id, quantity=40, **asked
    )
    offer = _offer(session, trial.holder_id, merchant)
    redeemed = redeem(
        session, uuid4(), buyer=buyer_of(session, resident), offer_id=offer.id,
        codes=services.codes, now=NOW,
    )  # fmt: skip
    card = f"CARD{uuid4().hex[:12].upper()}"
    cards.give_card(session, services.keyring, card, resident, now=NOW)
    login = Login(resident, "resident", "phone", "a phone")
    begun = begin(session, login, from_address="192.0.2.1", now=datetime.now(UTC))
    draft = _draft(session, trial.code)
    transfer = session.scalars(
        select(Transfer).where(Transfer.holder_id == resident, Transfer.unit == "point").limit(1)
    ).one()
    return Side(
        trial.code, trial.holder_id, ride, trial.scene("ride", "app"),
        trial.scene("ride", "staff"), trial.scene("ride", consent_version=1), town, resident,
        neighbour, UUID(account_key(resident, "point", PERSONAL).id), done.activity_id,
        held.activity_id, refused.activity_id, correction, activity_correction,
        transfer.posting_id, transfer.id, merchant, offer.id, redeemed.id, redeemed.voucher_code,
        card, begun.session_id, draft, *_delegated(session, resident, trial.code, town),
        *_employed(session, trial.code), *_a_key(session, services, merchant),
    )  # fmt: skip


def _delegated(session: Session, holder: UUID, programme: str, town: str) -> tuple[UUID, UUID]:
    relative, delegation = uuid4(), uuid4()
    enrol(session, programme, {relative: town}, now=NOW)
    begin_delegation(session, delegation, holder, relative, "delegate", may_spend=True, now=NOW)
    return relative, delegation


def _employed(session: Session, programme: str) -> tuple[UUID, UUID]:
    member, grant = uuid4(), uuid4()
    made = {"granted_at": NOW, "granted_by": "boss"}
    session.add(
        Staff(id=member, login=f"s-{member}", display_name="S", made_at=NOW, made_by="boss")
    )
    session.add(
        StaffGrant(
            id=grant, staff_id=member, role="auditor", programme_code=programme, scope="", **made
        )
    )
    session.flush()
    return member, grant


def _a_key(session: Session, services: Services, merchant: UUID) -> tuple[UUID, str]:
    boss = Actor("boss", "administrator", "*", "api", "192.0.2.1", "")
    new = NewKey(
        uuid4(),
        "merchant",
        str(merchant),
        "a till",
        ("consumptions", "offers", "scans", "settlements", "webhooks"),
    )
    made = make_key(session, services.keyring, new, actor=boss, now=datetime.now(UTC))
    assert made.written is not None
    return made.key.id, made.written


def _offer(session: Session, issuer: UUID, merchant: UUID) -> Offer:
    shopping.a_merchant(session, issuer, merchant_id=merchant)
    offer_id = shopping.an_offer(session, issuer, merchant, price_points=10, stock_units=1_000)
    return session.get_one(Offer, offer_id)


def _around_merchant(session: Session, side: Side) -> None:
    """What a merchant has, and what the programme has for merchants."""
    own, made = side.merchant, {"made_by": "m", "now": NOW}
    whole = (date(2026, 1, 1), date(2027, 1, 1))
    shops.put(session, shops.NewShop(side.shop, own, "店", "Shop", "一号"), **made)
    scanner = scanners.NewScanner(side.scanner, own, side.shop, "till")
    scanners.make(session, scanner, b"k" * 32, **made)
    agreement = agreements.NewAgreement(side.agreement, own, *whole, "fixed", 500, None, "d")
    agreements.put(session, agreement, zone="Asia/Shanghai", **made)
    budgets.put(session, budgets.NewBudget(side.budget, side.issuer, "b", *whole, 9_000), **made)
    texts = ("森林", "Forest", "木", "Wood")
    project = projects.NewProject(side.project, side.issuer, own, *texts, 7_000)
    projects.put(session, project, **made)
    granted = {"granted_at": NOW, "granted_by": "boss"}
    session.add(
        Staff(id=side.clerk, login=f"c-{side.clerk}", display_name="C", made_at=NOW, made_by="boss")
    )
    session.flush()
    session.add(
        StaffGrant(
            id=uuid4(), staff_id=side.clerk, role="merchant", programme_code=side.programme,
            scope=str(own), **granted,
        )
    )  # fmt: skip


def _at_till(session: Session, side: Side) -> None:
    """The resident's phone, and a scan of it that is open."""
    session.add_all(
        [
            CodeDevice(id=side.code_device, holder_id=side.resident, name="p", made_at=NOW),
            Scan(
                id=side.scan, merchant_id=side.merchant, holder_id=side.resident,
                code_device_id=side.code_device, step=1, opened_by="m", opened_at=NOW,
                ends_at=datetime.now(UTC) + timedelta(days=1),
            ),
        ]
    )  # fmt: skip
    session.flush()


def _draft(session: Session, programme: str) -> str:
    """A further version of a rule that nobody has approved."""
    code = f"{programme}.90"
    session.add(
        Rule(
            code=code, version=2, programme_code=programme, behaviour_code=None,
            parameters={"kind": "sample", "permille": 10}, drafted_by="d", **OF_OLD,
        )
    )  # fmt: skip
    session.flush()
    return f"rule:{code}@2"


def everything(database: Database) -> dict[str, int]:
    """A sum over every row of every table."""

    def look(session: Session) -> dict[str, int]:
        sums = []
        for table in Base.metadata.sorted_tables:
            if table.name in _PASSING:
                continue
            row = "row::text"
            if table.name == "participant":  # Whoever had the lock is counted there.
                row = "concat(holder_id, programme_code, division_code, joined_at)"
            sums.append(
                f"SELECT '{table.name}', coalesce(sum(hashtextextended({row}, 0)), 0)"
                f" FROM {table.name} AS row"
            )
        found = session.execute(text(" UNION ALL ".join(sums)))
        return {name: int(value) for name, value in found}

    return database.transact(look)
