"""Refusals of redemptions, with their facts. Instants and days are as the programme's zone has
them.
"""

from collections.abc import Sequence
from datetime import date, datetime
from uuid import UUID

from ledgers.errors import DomainError


class OfferPaused(DomainError):
    """The offer is off sale for now."""

    def __init__(self, offer_id: UUID) -> None:
        super().__init__("the offer is paused")
        self.offer_id = offer_id


class OfferEnded(DomainError):
    """The offer has ended for good, or what is donated to has closed."""

    def __init__(self, offer_id: UUID) -> None:
        super().__init__("the offer has ended")
        self.offer_id = offer_id


class MerchantSuspended(DomainError):
    """The merchant does not sell now; what was redeemed before is still taken."""

    def __init__(self, merchant_id: UUID, state: str) -> None:
        super().__init__("the merchant does not sell now")
        self.merchant_id = merchant_id
        self.state = state


class NotForDivision(DomainError):
    """The offer is for residents of other divisions."""

    def __init__(self, division_codes: Sequence[str]) -> None:
        super().__init__("the offer is for residents of other divisions")
        self.division_codes = list(division_codes)


class NotForScenes(DomainError):
    """The offer is for who consents to one of some scenes."""

    def __init__(self, scene_codes: Sequence[str]) -> None:
        super().__init__("the offer is for who takes part in one of its scenes")
        self.scene_codes = list(scene_codes)


class DailyLimitReached(DomainError):
    """No more of the offer are given today; from ``opens_on`` there are."""

    def __init__(self, *, daily_units: int, opens_on: date) -> None:
        super().__init__("no more are given today")
        self.daily_units = daily_units
        self.opens_on = opens_on.isoformat()


class ResidentLimitReached(DomainError):
    """The resident has had as many as one may have in a ``period`` (day, week or month), which ends
    before ``opens_on``.
    """

    def __init__(self, *, period: str, limit_units: int, taken_units: int, opens_on: date) -> None:
        super().__init__(f"{limit_units} a {period} for each resident")
        self.period = period
        self.limit_units = limit_units
        self.taken_units = taken_units
        self.opens_on = opens_on.isoformat()


class UnitsOutOfBounds(DomainError):
    """Several units at once are for donations."""

    def __init__(self, units: int, units_max: int) -> None:
        super().__init__(f"1 to {units_max} units at once, not {units}")
        self.units = units
        self.units_max = units_max


class BudgetExhausted(DomainError):
    """The programme's money for the offer is used up, or not for this day."""

    def __init__(self, budget_id: UUID, *, valid_from: date, valid_to: date) -> None:
        super().__init__("the budget behind the offer is used up, or not valid today")
        self.budget_id = budget_id
        self.valid_from = valid_from.isoformat()
        self.valid_to = valid_to.isoformat()


class NeedsGateway(DomainError):
    """A top-up is ordered by the resident's app: an outside gateway has to answer."""

    def __init__(self, offer_id: UUID) -> None:
        super().__init__("a top-up is ordered in the resident's app")
        self.offer_id = offer_id


class NotCancellable(DomainError):
    """The offer's terms do not let residents cancel, or no longer: until ``cancel_until``."""

    def __init__(self, cancel_until: datetime | None) -> None:
        super().__init__("the redemption cannot be cancelled")
        self.cancel_until = cancel_until and cancel_until.isoformat()


class RedemptionEnded(DomainError):
    """The redemption failed, expired, or was refunded before."""

    def __init__(self, state: str, ended_at: datetime) -> None:
        super().__init__(f"the redemption has ended: {state}")
        self.state = state
        self.ended_at = ended_at.isoformat()


class PriceChanged(DomainError):
    """The offer has another price by now than the resident was shown."""

    def __init__(self, offer_id: UUID, *, price_points: int) -> None:
        super().__init__(f"the offer costs {price_points} points by now")
        self.offer_id = offer_id
        self.price_points = price_points


class NoVoucher(DomainError):
    """What was redeemed needs no voucher."""

    def __init__(self, redemption_id: UUID) -> None:
        super().__init__("what was redeemed has no voucher")
        self.redemption_id = redemption_id


class NotRefundable(DomainError):
    """What a gateway or a project has received is not taken back; ``offer_kind`` says which."""

    def __init__(self, redemption_id: UUID, offer_kind: str) -> None:
        super().__init__(f"a {offer_kind} is not refunded")
        self.redemption_id = redemption_id
        self.offer_kind = offer_kind


class ConsumptionReversed(DomainError):
    """The merchant took it back: the voucher is good again, and nothing is to be refunded."""

    def __init__(self, reversed_at: datetime) -> None:
        super().__init__("the merchant has reversed this use of the voucher")
        self.reversed_at = reversed_at.isoformat()


class RefundReused(DomainError):
    """It was refunded before: by somebody else, or for another reason."""

    def __init__(self, *, refunded_at: datetime, refunded_by: str) -> None:
        super().__init__("this use of a voucher was refunded before")
        self.refunded_at = refunded_at.isoformat()
        self.refunded_by = refunded_by
