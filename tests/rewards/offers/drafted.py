"""Merchants with an agreement, and offers through the domain's own functions."""

from datetime import UTC, date, datetime
from typing import Any
from uuid import UUID, uuid4

from sqlalchemy.orm import Session

from rewards.models import Agreement, Budget, DonationProject, Offer, OfferVersion
from rewards.offers.drafting import NewTerms, draft
from rewards.offers.publishing import publish
from tests import shopping
from tests.makers import NOW, programme_holder

FROM, TO = datetime(2026, 1, 1, tzinfo=UTC), datetime(2027, 1, 1, tzinfo=UTC)


def a_merchant(session: Session, *, state: str = "approved", **agreement: Any) -> UUID:
    """With an agreement of 800 fen a voucher unless told otherwise."""
    id_ = shopping.a_merchant(session, programme_holder(session), state=state)
    an_agreement(session, id_, **agreement)
    return id_


def an_agreement(session: Session, merchant_id: UUID, **changes: Any) -> UUID:
    values = {"price_rule": "fixed", "fixed_fen": 800, "share_bp": None} | changes
    values = {"valid_from": date(2025, 1, 1), "valid_to": date(2028, 1, 1)} | values
    row = Agreement(
        id=uuid4(), merchant_id=merchant_id, document="d", made_by="t", made_at=NOW, **values
    )
    session.add(row)
    session.flush()
    return row.id


def a_budget(session: Session, holder_id: UUID | None = None, *, total_fen: int = 100_000) -> UUID:
    row = Budget(
        id=uuid4(),
        programme_holder_id=holder_id or programme_holder(session),
        name="2026",
        valid_from=date(2026, 1, 1),
        valid_to=date(2027, 1, 1),
        total_fen=total_fen,
        made_by="t",
        made_at=NOW,
    )
    session.add(row)
    session.flush()
    return row.id


def a_project(session: Session, merchant_id: UUID, **changes: Any) -> UUID:
    texts = ("name_zh", "name_en", "text_zh", "text_en")
    row = DonationProject(
        id=uuid4(),
        programme_holder_id=programme_holder(session),
        merchant_id=merchant_id,
        goal_points=1_000,
        made_by="t",
        made_at=NOW,
        **dict.fromkeys(texts, "树"),
        **changes,
    )
    session.add(row)
    session.flush()
    return row.id


def terms(**changes: Any) -> NewTerms:
    values: dict[str, Any] = {
        "title_zh": "茶",
        "title_en": "Tea",
        "price_points": 120,
        "on_sale_from": FROM,
        "on_sale_to": TO,
    }
    return NewTerms(**values | changes)


def a_draft(
    session: Session,
    merchant_id: UUID,
    *,
    offer_id: UUID | None = None,
    kind: str = "voucher",
    budget_id: UUID | None = None,
    project_id: UUID | None = None,
    **changes: Any,
) -> OfferVersion:
    return draft(
        session,
        offer_id or uuid4(),
        merchant_id=merchant_id,
        kind=kind,
        terms=terms(**changes),
        budget_id=budget_id,
        project_id=project_id,
        made_by="anna",
        now=NOW,
    )


def published(session: Session, row: OfferVersion) -> Offer:
    return publish(session, row.offer_id, row.version, published_by="ben", now=NOW)
