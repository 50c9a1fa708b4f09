"""Crosschecks: what the audit compares across tables that are not distributed alike.

No query joins such tables (design, section 7): each side is read in the order of its key and both
are merged while they are read, so memory stays flat however much there is. What is kept in memory
is a figure a budget.
"""

from collections.abc import Callable, Iterator, Mapping
from typing import Any, NamedTuple

from sqlalchemy import text
from sqlalchemy.orm import Session

from ledgers.audit import Row, merged

Found = Iterator[tuple[object, object, object]]  # Of what, expected, found.

# A redemption's id is the client's: two residents may have sent the same, so both name it. As
# bytes, whose order is everywhere the same.
_REDEMPTIONS = """
    SELECT uuid_send(r.holder_id) || uuid_send(r.id), r.id, r.state, o.kind
    FROM redemption AS r JOIN offer AS o ON o.id = r.offer_id ORDER BY 1
"""
_VOUCHERS = """
    SELECT uuid_send(holder_id) || uuid_send(redemption_id), redemption_id, count(*),
           min(CASE WHEN refunded_at IS NOT NULL THEN 'refunded'
                    WHEN consumed_at IS NOT NULL THEN 'used'
                    WHEN cancelled_at IS NOT NULL THEN 'cancelled'
                    WHEN expired_at IS NOT NULL THEN 'expired'
                    WHEN lapsed_at IS NOT NULL THEN 'lapsed' ELSE 'open' END)
    FROM voucher GROUP BY holder_id, redemption_id ORDER BY 1
"""
_WITH_VOUCHER = ("voucher", "goods", "pool_code")
# How a voucher can stand, by the state of its redemption. What lapsed before redemptions had states
# is still "done".
_STANDS: Mapping[str, tuple[str, ...]] = {
    "done": ("open", "used", "lapsed"),
    "cancelled": ("cancelled",),
    "expired": ("expired", "lapsed"),
    "refunded": ("refunded",),
}


def vouchers(session: Session) -> Found:
    """A voucher for each redemption that has one, ended as the redemption did; none for others."""
    for _, redemption, voucher in merged(session, _REDEMPTIONS, _VOUCHERS):
        id_ = (redemption or voucher or ("",))[0]
        count, stands = voucher[1:] if voucher else (0, "")
        has = "no voucher" if count == 0 else f"{count} vouchers, {stands}"
        if redemption is None:
            yield id_, "a redemption", f"{count} vouchers without one"
            continue
        _, state, kind = redemption
        if kind not in _WITH_VOUCHER:
            if count:
                yield id_, "no voucher", has
        elif count != 1 or stands not in _STANDS.get(state, ()):
            yield id_, f"1 vouchers, {' or '.join(_STANDS.get(state, ('none',)))}", has


_USED = """
    SELECT code_sha256, consumption_id, consumed_at FROM voucher
    WHERE consumed_at IS NOT NULL ORDER BY code_sha256
"""
_USES = """
    SELECT code_sha256, id, consumed_at FROM consumption
    WHERE reversed_at IS NULL ORDER BY code_sha256
"""


def uses(session: Session) -> Found:
    """Each voucher that is used, by the consumption that says so, and none that was reversed."""
    for code, voucher, use in merged(session, _USED, _USES):
        if voucher != use:
            expected, found = (str(row[1]) if row else "unused" for row in (use, voucher))
            yield (use or voucher or (code,))[0], expected, found


_CODES_GIVEN = """
    SELECT code_hash, redemption_id FROM pool_code
    WHERE redemption_id IS NOT NULL ORDER BY code_hash
"""
_CODES_HAD = """
    SELECT v.code_sha256, v.redemption_id FROM voucher AS v JOIN offer AS o ON o.id = v.offer_id
    WHERE o.kind = 'pool_code' ORDER BY v.code_sha256
"""


def pool_codes(session: Session) -> Found:
    """Each code of a pool that was given away, by the voucher that it is, and no other."""
    for _, given, had in merged(session, _CODES_GIVEN, _CODES_HAD):
        if given != had:
            expected, found = (str(row[0]) if row else "nobody's" for row in (had, given))
            yield (had or given or ("",))[0], expected, found


_CONSUMPTIONS = """
    SELECT id, merchant_id, redemption_id, reversed_at IS NOT NULL FROM consumption
    WHERE recorded_at IS NOT NULL ORDER BY id
"""
_LINES_OF_CONSUMPTIONS = """
    SELECT consumption_id, min(merchant_id::text), min(redemption_id::text),
           count(*) FILTER (WHERE kind = 'consumption'), count(*) FILTER (WHERE kind = 'reversal')
    FROM settlement_line WHERE consumption_id IS NOT NULL
    GROUP BY consumption_id ORDER BY consumption_id
"""


def lines_of_consumptions(session: Session) -> Found:
    """A line for each consumption, and one that takes it back for each that was reversed."""
    for id_, use, lines in merged(session, _CONSUMPTIONS, _LINES_OF_CONSUMPTIONS):
        expected, found = _said_of_use(use), "no line"
        if lines is not None:
            merchant_id, redemption_id, count, back = lines
            found = f"{count} lines, {back} back, of {redemption_id} at {merchant_id}"
        if expected != found:
            yield id_, expected, found


def _said_of_use(use: Row) -> str:
    if use is None:
        return "no consumption"
    merchant_id, redemption_id, is_reversed = use
    return f"1 lines, {int(is_reversed)} back, of {redemption_id} at {merchant_id}"


_DUE = """
    SELECT r.id, count(*) FILTER (WHERE r.state = 'done' AND o.kind = 'donation'),
           count(*) FILTER (WHERE r.state = 'done' AND o.kind = 'top_up'),
           coalesce(sum(r.units * v.settlement_fen)
                    FILTER (WHERE r.state = 'done' AND o.kind IN ('donation', 'top_up')), 0),
           count(*) FILTER (WHERE r.state = 'done' AND o.kind NOT IN ('donation', 'top_up')),
           coalesce(max(r.units * v.settlement_fen)
                    FILTER (WHERE o.kind NOT IN ('donation', 'top_up')), 0)
    FROM redemption AS r JOIN offer AS o ON o.id = r.offer_id
        JOIN offer_version AS v ON v.offer_id = r.offer_id AND v.version = r.version
    GROUP BY r.id ORDER BY r.id
"""
_LINES_OF_REDEMPTIONS = """
    SELECT redemption_id, count(*) FILTER (WHERE kind = 'donation'),
           count(*) FILTER (WHERE kind = 'top_up'),
           count(*) FILTER (WHERE kind = 'consumption')
               - count(*) FILTER (WHERE kind IN ('reversal', 'refund')),
           sum(amount_fen)
    FROM settlement_line GROUP BY redemption_id ORDER BY redemption_id
"""


class _Due(NamedTuple):
    """What redemptions of one id should cost: at once, and once their voucher is used."""

    donations: int = 0
    top_ups: int = 0
    fen: int = 0
    vouchers: int = 0
    voucher_fen: int = 0


def lines_of_redemptions(session: Session) -> Found:
    """What was redeemed costs the programme what its version says, once: a donation and a top-up
    when they are done, a voucher when it is used and not refunded.
    """
    for id_, due, lines in merged(session, _DUE, _LINES_OF_REDEMPTIONS):
        expected = _Due(*map(int, due)) if due else _Due()
        donations, top_ups, used, fen = map(int, lines or (0, 0, 0, 0))
        at_once = (expected.donations, expected.top_ups)
        if due is None:
            yield id_, "a redemption", "lines without one"
        elif (donations, top_ups) != at_once or not 0 <= used <= expected.vouchers:
            said = f"{sum(at_once)} at once, at most {expected.vouchers} used"
            yield id_, said, f"{donations + top_ups} at once, {used} used"
        elif fen != (should := expected.fen + used * expected.voucher_fen):
            yield id_, f"{should} fen", f"{fen} fen"


_STOCK = "SELECT offer_id, put_units - stock_units FROM offer_stock ORDER BY offer_id"
_TAKEN = """
    SELECT offer_id, sum(units) FROM redemption WHERE state NOT IN ('cancelled', 'failed')
    GROUP BY offer_id ORDER BY offer_id
"""


def stock(session: Session) -> Found:
    """What was put in and is not there any more was redeemed."""
    for offer_id, gone, taken in merged(session, _STOCK, _TAKEN):
        units, missing = int(taken[0]) if taken else 0, gone[0] if gone else 0
        if units != missing:
            yield offer_id, f"{units} units taken", f"{missing} units gone"


_FREE_CODES = text("""
    SELECT s.offer_id, concat(count(c.code_hash) FILTER (WHERE c.redemption_id IS NULL), ' of ',
                              count(c.code_hash)),
           concat(s.stock_units, ' of ', s.put_units)
    FROM offer_stock AS s LEFT JOIN pool_code AS c ON c.offer_id = s.offer_id
        JOIN offer AS o ON o.id = s.offer_id
    WHERE o.kind = 'pool_code'
    GROUP BY s.offer_id, s.stock_units, s.put_units
    HAVING count(c.code_hash) FILTER (WHERE c.redemption_id IS NULL) <> s.stock_units
        OR count(c.code_hash) <> s.put_units
""")


def free_codes(session: Session) -> Found:
    """An offer of a merchant's own codes has as many units as there are free codes."""
    yield from (tuple(row) for row in session.execute(_FREE_CODES))


_DRAWN = "SELECT id, drawn_fen FROM budget ORDER BY id"
_RESERVED = """
    SELECT o.budget_id, sum(s.reserved_fen)
    FROM offer_stock AS s JOIN offer AS o ON o.id = s.offer_id
    WHERE o.budget_id IS NOT NULL GROUP BY o.budget_id ORDER BY o.budget_id
"""
_COST = text("""
    SELECT o.budget_id, sum(r.units * v.settlement_fen)
    FROM redemption AS r JOIN offer AS o ON o.id = r.offer_id
        JOIN offer_version AS v ON v.offer_id = r.offer_id AND v.version = r.version
    WHERE r.state IN ('pending', 'done') AND o.budget_id IS NOT NULL
    GROUP BY o.budget_id
""")
_UNBUDGETED = text("""
    SELECT s.offer_id, s.reserved_fen FROM offer_stock AS s JOIN offer AS o ON o.id = s.offer_id
    WHERE o.budget_id IS NULL AND s.reserved_fen <> 0
""")


def budgets(session: Session) -> Found:
    """What was drawn of a budget is in its offers' reserves, or what their redemptions cost."""
    costs: dict[Any, int] = {id_: int(fen) for id_, fen in session.execute(_COST)}
    for budget_id, drawn, reserved in merged(session, _DRAWN, _RESERVED):
        fen = costs.pop(budget_id, 0) + (int(reserved[0]) if reserved else 0)
        if drawn is None or drawn[0] != fen:
            yield budget_id, f"{fen} fen", f"{drawn[0]} fen" if drawn else "no budget"
    yield from ((budget_id, f"{fen} fen", "no budget") for budget_id, fen in costs.items())
    for offer_id, fen in session.execute(_UNBUDGETED):
        yield offer_id, "nothing reserved", f"{fen} fen of no budget"


CROSSCHECKS: Mapping[str, Callable[[Session], Found]] = {
    "voucher of a redemption": vouchers,
    "use of a voucher": uses,
    "code of a pool": pool_codes,
    "lines of a consumption": lines_of_consumptions,
    "lines of a redemption": lines_of_redemptions,
    "stock of an offer": stock,
    "free codes of a pool": free_codes,
    "budget": budgets,
}
