"""What a batch is answered: NDJSON, a line for each of its lines, and sums in the headers."""

from uuid import UUID

import msgspec

from activities.explanations import explain
from service.feeds.batches import UNKNOWN_RESIDENT, Outcome, Receipt
from service.language import Text

CONTENT_TYPE = "application/x-ndjson"


class EventAnswer(msgspec.Struct, gc=False):
    """The answer to an event; ``activity_id`` is None where nothing is kept of it."""

    line: int
    event_id: str
    activity_id: UUID | None
    decision: str
    code: str
    reason: str
    saved_mg_co2e: int = 0
    points: int = 0
    trimmed_points: int = 0
    duplicate_of: UUID | msgspec.UnsetType = msgspec.UNSET


class LineError(msgspec.Struct, gc=False):
    """Why a line is no event."""

    line: int
    error: str


def body_of(receipt: Receipt, language: str) -> bytes:
    """The answer, ``language`` being "zh-CN" or "en"."""
    return _encode_lines([_answered(outcome, language) for outcome in receipt.outcomes])


def headers_of(receipt: Receipt) -> dict[str, str]:
    """The sums of the answers, each a header ``Tanhui-…``."""
    sums = {
        "Lines": len(receipt.outcomes),
        "Unreadable": receipt.unreadable,
        **{each.title(): receipt.by_decision[each] for each in ("verified", "held", "rejected")},
        "Changed": receipt.changed,
        "Withdrawn": receipt.withdrawn,
        "Saved-Mg-CO2e": receipt.saved_mg_co2e,
        "Points": receipt.points,
    }
    return {f"Tanhui-{name}": str(value) for name, value in sums.items()}


_encode_lines = msgspec.json.Encoder().encode_lines


def _answered(outcome: Outcome, language: str) -> EventAnswer | LineError:
    line, event, answer = outcome
    if line.event is None:
        assert line.error is not None
        return LineError(line.number, _in(line.error, language))
    if answer is None or event is None:
        code = UNKNOWN_RESIDENT
        reason = explain(code)[language]
        return EventAnswer(line.number, line.event.event_id, None, "rejected", code, reason)
    reason = explain(
        answer.code,
        quantity=event.quantity,
        duration_s=event.duration_s,
        trimmed_points=answer.trimmed_points,
    )[language]
    return EventAnswer(
        line.number,
        answer.event_id,
        answer.activity_id,
        answer.decision,
        answer.code,
        reason,
        answer.saved_mg_co2e,
        answer.points,
        answer.trimmed_points,
        answer.duplicate_of or msgspec.UNSET,
    )


def _in(text: Text, language: str) -> str:
    return text.en if language == "en" else text.zh
