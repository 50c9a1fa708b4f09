"""Refusals of drafting, publishing and stocking offers, with their facts."""

from datetime import datetime
from uuid import UUID

from ledgers.errors import DomainError


class PriceNotPositive(DomainError):
    """An offer costs at least a point."""

    def __init__(self, price_points: int) -> None:
        super().__init__(f"a price of {price_points} points is none")
        self.price_points = price_points


class TitleMissing(DomainError):
    """A title is empty."""

    def __init__(self) -> None:
        super().__init__("an offer has a title in Chinese and one in English")


class SaleWindowReversed(DomainError):
    """The sale would end before it begins."""

    def __init__(self, *, on_sale_from: datetime, on_sale_to: datetime) -> None:
        super().__init__("the sale would end before it begins")
        self.on_sale_from = on_sale_from.isoformat()
        self.on_sale_to = on_sale_to.isoformat()


class TermNotOfKind(DomainError):
    """``field`` is out of bounds, or not what an offer of this kind may have there."""

    def __init__(self, kind: str, field: str) -> None:
        super().__init__(f"an offer of the kind {kind} cannot have this {field}")
        self.offer_kind = kind
        self.field = field


class ShopNotOfMerchant(DomainError):
    """The merchant has no such shop, or closed it."""

    def __init__(self, shop_id: UUID) -> None:
        super().__init__("the merchant has no such shop")
        self.shop_id = shop_id


class UnknownPicture(DomainError):
    """Nobody sent this picture."""

    def __init__(self, sha256: str) -> None:
        super().__init__("there is no such picture")
        self.sha256 = sha256


class AgreementNotInForce(DomainError):
    """No agreement of the merchant, or not this one, covers the time of the sale."""

    def __init__(self, *, on_sale_from: datetime, on_sale_to: datetime) -> None:
        super().__init__(
            "no agreement with the merchant covers the sale from"
            f" {on_sale_from.isoformat()} to {on_sale_to.isoformat()}"
        )
        self.on_sale_from = on_sale_from.isoformat()
        self.on_sale_to = on_sale_to.isoformat()


class BudgetMissing(DomainError):
    """Each unit costs the programme ``settlement_fen``, and no budget of it stands for that."""

    def __init__(self, settlement_fen: int) -> None:
        super().__init__(f"each unit costs {settlement_fen} fen: a budget of the programme is due")
        self.settlement_fen = settlement_fen


class ProjectMissing(DomainError):
    """A donation is for an open project that this merchant receives for, and nothing else is."""

    def __init__(self) -> None:
        super().__init__("a donation, and only that, names an open project of this merchant")


class OfferReused(DomainError):
    """The id already stands for an offer of another kind, merchant, budget or project."""

    def __init__(self, offer_id: UUID) -> None:
        super().__init__("this id already stands for another offer")
        self.offer_id = offer_id


class UnknownOfferVersion(DomainError):
    """The offer has no such version."""

    def __init__(self, offer_id: UUID, version: int) -> None:
        super().__init__(f"the offer has no version {version}")
        self.offer_id = offer_id
        self.version = version


class MerchantNotApproved(DomainError):
    """Only an approved merchant sells; one that ended drafts nothing either."""

    def __init__(self, merchant_id: UUID, state: str) -> None:
        super().__init__(f"the merchant is {state}")
        self.merchant_id = merchant_id
        self.state = state


class OfferStateRefuses(DomainError):
    """The offer's ``state`` does not allow this."""

    def __init__(self, offer_id: UUID, state: str) -> None:
        super().__init__(f"the offer is {state}")
        self.offer_id = offer_id
        self.state = state


class StockChangeReused(DomainError):
    """The id already stands for another number of units."""

    def __init__(self, change_id: UUID) -> None:
        super().__init__("this id already stands for another change of stock")
        self.change_id = change_id


class StockTooLow(DomainError):
    """More was to be withdrawn than is left."""

    def __init__(self, *, stock_units: int, withdrawn_units: int) -> None:
        super().__init__(f"{withdrawn_units} units to withdraw, {stock_units} left")
        self.stock_units = stock_units
        self.withdrawn_units = withdrawn_units


class StockOfPool(DomainError):
    """An offer of the merchant's own codes has as many units as it has codes, no other has any."""

    def __init__(self, offer_id: UUID) -> None:
        super().__init__("the stock of an offer of own codes, and of no other, is its codes")
        self.offer_id = offer_id


class PoolFileReused(DomainError):
    """The id already stands for another file."""

    def __init__(self, file_id: UUID) -> None:
        super().__init__("this id already stands for another file")
        self.file_id = file_id


class PoolLineEmpty(DomainError):
    """A line without a code, before the last one. By this and the next ones nothing is loaded."""

    def __init__(self, line: int) -> None:
        super().__init__(f"line {line}: no code")
        self.line = line


class PoolCodeTooLong(DomainError):
    """A code of more characters than are allowed."""

    def __init__(self, line: int, length_max: int) -> None:
        super().__init__(f"line {line}: longer than {length_max} characters")
        self.line = line
        self.length_max = length_max


class PoolCodeUnprintable(DomainError):
    """Control characters, or bytes that are text in neither encoding."""

    def __init__(self, line: int) -> None:
        super().__init__(
            f"line {line}: not text: control characters, or neither UTF-8 nor GB 18030"
        )
        self.line = line


class PoolCodeRepeated(DomainError):
    """The code is on an earlier line, too."""

    def __init__(self, line: int, first_line: int) -> None:
        super().__init__(f"line {line}: the same code as on line {first_line}")
        self.line = line
        self.first_line = first_line


class PoolCodeKnown(DomainError):
    """The code was loaded before, for this offer or another one of the merchant."""

    def __init__(self, line: int) -> None:
        super().__init__(f"line {line}: the code was loaded before")
        self.line = line


class PoolFileTooLong(DomainError):
    """More codes than a file may have."""

    def __init__(self, line: int, codes_max: int) -> None:
        super().__init__(f"line {line}: more than {codes_max} codes")
        self.line = line
        self.codes_max = codes_max


class NotAPicture(DomainError):
    """Neither PNG nor JPEG nor WebP."""

    def __init__(self) -> None:
        super().__init__("neither PNG nor JPEG nor WebP")


class PictureTooLarge(DomainError):
    """More bytes than a picture may have."""

    def __init__(self, size_max_bytes: int) -> None:
        super().__init__(f"more than {size_max_bytes} bytes")
        self.size_max_bytes = size_max_bytes
