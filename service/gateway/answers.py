"""What a gateway says of an order, read strictly: anything else is no answer (docs/gateway.md)."""

from typing import Annotated
from uuid import UUID

import msgspec
from msgspec import Meta, Struct

from rewards.redeeming.gateways import Outcome
from service.gateway.errors import InvalidOutcome

_Word = Annotated[str, Meta(min_length=1, max_length=128, pattern=r"^[!-~]+$")]
_Reason = Annotated[str, Meta(min_length=1, max_length=128, pattern=r"^[^\x00-\x1f\x7f]+$")]


class _Said(Struct, tag_field="state", forbid_unknown_fields=True):
    order_id: UUID


class Done(_Said, tag="done"):
    """The money is on the card; ``reference`` is the gateway's own."""

    reference: _Word

    @property
    def outcome(self) -> Outcome:
        return Outcome("done", self.reference)


class Refused(_Said, tag="refused"):
    """It never will be."""

    reason: _Reason

    @property
    def outcome(self) -> Outcome:
        return Outcome("refused", self.reason)


class Cancelled(_Said, tag="cancelled"):
    """It never will be, as was asked."""

    @property
    def outcome(self) -> Outcome:
        return Outcome("cancelled")


class Pending(_Said, tag="pending"):
    """Nothing is decided."""

    @property
    def outcome(self) -> Outcome:
        return Outcome("pending")


class Absent(_Said, tag="absent"):
    """There is no such order."""

    @property
    def outcome(self) -> Outcome:
        return Outcome("absent")


Said = Done | Refused | Cancelled | Pending | Absent
_ANSWER: msgspec.json.Decoder[Said] = msgspec.json.Decoder(Said)
_CALL: msgspec.json.Decoder[Said] = msgspec.json.Decoder(Done | Refused)


def read_answer(content: bytes, order_id: UUID) -> Outcome:
    """What it says of this order; ``unknown`` where it does not say it."""
    return _read(_ANSWER, content, order_id) or Outcome("unknown", "an answer of no known form")


def called_back(content: bytes, order_id: UUID) -> Outcome:
    """What the gateway calls back with: a final outcome of this order. Raises InvalidOutcome."""
    if (outcome := _read(_CALL, content, order_id)) is None:
        raise InvalidOutcome
    return outcome


def _read(decoder: msgspec.json.Decoder[Said], content: bytes, order_id: UUID) -> Outcome | None:
    try:
        said = decoder.decode(content)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None
    return said.outcome if said.order_id == order_id else None
