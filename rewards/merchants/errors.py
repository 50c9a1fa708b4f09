"""Refusals about merchants, their shops, scanners and agreements, with their facts."""

from datetime import date
from typing import Literal
from uuid import UUID

from ledgers.errors import DomainError


class BadCreditCode(DomainError):
    """No unified social credit code; ``wrong`` says what does not hold: its length, its letters or
    its check character.
    """

    def __init__(self, wrong: Literal["length", "letters", "check"]) -> None:
        super().__init__(f"not a unified social credit code: its {wrong}")
        self.wrong = wrong


class CreditCodeStays(DomainError):
    """A merchant that was approved is one legal person; another one is another merchant."""

    def __init__(self, merchant_id: UUID) -> None:
        super().__init__("the credit code of a merchant that was approved stays")
        self.merchant_id = merchant_id


class CreditCodeMissing(DomainError):
    """Nobody is approved without the code of a legal person."""

    def __init__(self, merchant_id: UUID) -> None:
        super().__init__("a merchant is approved with its unified social credit code")
        self.merchant_id = merchant_id


class MerchantReused(DomainError):
    """The id already stands for a merchant of another programme."""

    def __init__(self, merchant_id: UUID) -> None:
        super().__init__("this id already stands for another merchant")
        self.merchant_id = merchant_id


class MerchantStepRefused(DomainError):
    """From this state there is no way to the one that was asked for."""

    def __init__(self, *, state: str, asked_state: str) -> None:
        super().__init__(f"a merchant that is {state} does not become {asked_state}")
        self.state = state
        self.asked_state = asked_state


class MerchantEnded(DomainError):
    """Nothing is changed or made any more for a merchant that has ended."""

    def __init__(self, merchant_id: UUID) -> None:
        super().__init__("the merchant has ended")
        self.merchant_id = merchant_id


class OffersStillOpen(DomainError):
    """A merchant ends after its offers."""

    def __init__(self, open_offers: int) -> None:
        super().__init__(f"{open_offers} offers of the merchant have not ended")
        self.open_offers = open_offers


class MerchantIsOwed(DomainError):
    """A merchant ends when it is paid; below zero: when it has paid back."""

    def __init__(self, owed_fen: int) -> None:
        super().__init__(f"{owed_fen} fen are still owed to the merchant")
        self.owed_fen = owed_fen


class UnknownShop(DomainError):
    """This merchant has no such shop."""

    def __init__(self, shop_id: UUID) -> None:
        super().__init__("the merchant has no such shop")
        self.shop_id = shop_id


class ShopReused(DomainError):
    """The id already stands for another merchant's shop."""

    def __init__(self, shop_id: UUID) -> None:
        super().__init__("this id already stands for another shop")
        self.shop_id = shop_id


class UnknownScanner(DomainError):
    """This merchant has no such scanner."""

    def __init__(self, scanner_id: UUID) -> None:
        super().__init__("the merchant has no such scanner")
        self.scanner_id = scanner_id


class ScannerReused(DomainError):
    """The id already stands for another scanner, or for one that is retired."""

    def __init__(self, scanner_id: UUID) -> None:
        super().__init__("this id already stands for another scanner")
        self.scanner_id = scanner_id


class UnknownAgreement(DomainError):
    """This merchant has no such agreement."""

    def __init__(self, agreement_id: UUID) -> None:
        super().__init__("the merchant has no such agreement")
        self.agreement_id = agreement_id


class AgreementReused(DomainError):
    """The id already stands for another agreement. One is only ever shortened."""

    def __init__(self, agreement_id: UUID) -> None:
        super().__init__("this id already stands for another agreement")
        self.agreement_id = agreement_id


class AgreementInUse(DomainError):
    """Offers are on sale by it beyond the end that was asked for; ``needed_to`` is the first end
    that covers them.
    """

    def __init__(self, *, open_offers: int, needed_to: date) -> None:
        super().__init__(f"{open_offers} offers are on sale by the agreement until {needed_to}")
        self.open_offers = open_offers
        self.needed_to = needed_to.isoformat()


class PriceRuleDoesNotFit(DomainError):
    """``fixed`` has fen and nothing else, ``share`` basis points and nothing else, ``free``
    neither; an agreement ends after it begins.
    """

    def __init__(self, wrong: Literal["price_rule", "validity"]) -> None:
        super().__init__(f"the agreement's {wrong} does not hold together")
        self.wrong = wrong
