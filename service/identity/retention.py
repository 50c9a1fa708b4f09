"""How long each kind of record is kept, why, and what happens then: one table in code.

Kept here: every table of the database is in exactly one row (a test holds it against the schema),
and what a row says is what the job does (``service.identity.ending``): what ends is deleted by the
statements beside it, led by the person; what is kept has none. docs/retention.md is made from it.
"""

from dataclasses import dataclass
from datetime import timedelta
from typing import LiteralString

from service.identity import walks
from service.identity.walks import Walk


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind of record. ``kept`` after ``since``; None: as ``since`` says, and no job ends it.

    ``walk`` and ``once`` (for a small table) end it.
    """

    name: str
    tables: tuple[str, ...]
    kept: timedelta | None
    since: str
    why: str
    then: str
    walk: Walk | None = None
    once: LiteralString | None = None

    @property
    def how_long(self) -> str:
        """For people."""
        if self.kept is None:
            return self.since
        days = self.kept.days
        number, unit = (days // 365, "year") if days % 365 == 0 else (days, "day")
        return f"{number} {unit}{'s' if number > 1 else ''} after {self.since}"


_YEAR = timedelta(days=365)

KINDS: tuple[Kind, ...] = (
    Kind(
        "personal values",
        ("personal_value",),
        None,
        "until the account closes",
        "needed to serve the person; a changed value takes the place of the one before",
        "closing destroys the person's data key, which opens copies and backups no more either",
    ),
    Kind(
        "look-up keys of outside ids",
        ("outside_id", "subject"),
        None,
        "until the account closes",
        "find the person behind a phone, card or customer number; keyed hashes (`subject`, of the"
        " release before, holds plain ids until `tanhui identity move-subjects`)",
        "deleted with the account; a phone that changed, at once",
    ),
    Kind(
        "persons",
        ("person",),
        None,
        "for good",
        "that there was an account and when it closed: a retry of closing is answered by it",
        "after closing only the holder's opaque id and two instants are left",
    ),
    Kind(
        "sessions",
        ("login_session",),
        timedelta(days=90),
        "the session ended or ran out",
        "the person and an inquiry see where somebody was signed in",
        "deleted, with its refresh tokens",
        walk=walks.SESSIONS,
    ),
    Kind(
        "used refresh tokens",
        ("refresh_token",),
        timedelta(days=30),
        "it was used",
        "a copy that is used again ends the session; hashes only. After 30 days a copy that nobody"
        " used is refused anyhow",
        "deleted; the one that is not used goes with its session",
        walk=walks.TOKENS,
    ),
    Kind(
        "security events",
        ("security_event",),
        _YEAR,
        "it happened",
        "the person sees what happened to their logins; networks, no whole addresses. Network logs"
        " are kept for at least six months (Cybersecurity Law, article 21)",
        "deleted",
        walk=walks.EVENTS,
    ),
    Kind(
        "reads of personal data",
        ("personal_read",),
        3 * _YEAR,
        "the read",
        "the person sees who read what; three years as for records of processing (PIPL, articles"
        " 55 and 56)",
        "deleted",
        walk=walks.READS,
    ),
    Kind(
        "delegations",
        ("delegation", "acting_for"),
        3 * _YEAR,
        "it ended",
        "who could act for whom, for as long as a claim can be brought (Civil Code, article 188)",
        "deleted; a living one stays",
        walk=walks.DELEGATIONS,
    ),
    Kind(
        "staff and their grants",
        ("staff", "staff_grant"),
        None,
        "for good",
        "the admin log names them by login, and who could do what is asked for years later",
        "a blocked login opens nothing",
    ),
    Kind(
        "staff invitations",
        (),
        timedelta(days=30),
        "it ran out",
        "says why somebody did not get in; its hash only",
        "the hash is deleted",
        once=walks.INVITATIONS,
    ),
    Kind(
        "used recovery codes",
        ("staff_recovery_code",),
        timedelta(days=90),
        "it was used",
        "an inquiry sees that one was used; hashes only",
        "deleted",
        once=walks.RECOVERY_CODES,
    ),
    Kind(
        "keys of systems",
        ("api_key", "key_use", "feed_key"),
        None,
        "for good",
        "what was signed or brought names its key; hashes only",
        "a retired key opens nothing",
    ),
    Kind(
        "the admin log",
        ("admin_act",),
        None,
        "for good",
        "every act of staff has an author; append-only, as the ledger is. No personal data in it",
        "nothing is deleted",
    ),
    Kind(
        "the ledger and its public log",
        (
            *("account", "transfer", "posting", "lot", "hold", "correction", "adjustment"),
            *("system_bucket", "system_fold", "balance_snapshot", "snapshot_month"),
            *("commitment_secret", "sealed_posting", "log_queue", "log_state", "log_checkpoint"),
            "log_reader",
        ),
        None,
        "for good",
        "every balance recomputes from it, and the public log proves it unchanged; accounting"
        " documents are kept for 30 years (会计档案管理办法), under an opaque holder id",
        "closing destroys the holder's commitment secret: the public log's entries are nobody's",
    ),
    Kind(
        "activities and what was decided",
        (
            *("activity", "received_event", "claim", "device_holder", "activity_correction"),
            *("tally", "period_tally", "occupied", "policy", "participant"),
            *("consent", "household", "reading"),
        ),
        None,
        "for good",
        "the facts behind the ledger: districts' figures and the audit recompute from them, and a"
        " claimed act is never claimed again. Opaque holder ids",
        "no decided fact is deleted; after closing they lead to nobody",
    ),
    Kind(
        "reviews and appeals",
        ("review_case", "review_step", "appeal"),
        None,
        "for good",
        "why a decision fell: reasons, and the texts that residents wrote, are its evidence",
        "kept with the decision; after closing they lead to nobody",
    ),
    Kind(
        "partners' batches",
        ("feed_batch", "feed_total"),
        None,
        "for good",
        "a batch sent again is answered as before; event ids and counts, no customer numbers",
        "nothing is deleted",
    ),
    Kind(
        "what points bought",
        ("redemption", "voucher", "consumption", "double_use", "top_up"),
        None,
        "for good",
        "the merchants' settlement, and proof of what was handed out; codes as hashes, no card"
        " numbers",
        "after closing they lead to nobody",
    ),
    Kind(
        "phones that show live codes",
        ("code_device",),
        None,
        "for good",
        "a code that was shown once is never taken again; the name that the resident gave it",
        "closing signs them off and forgets their names",
    ),
    Kind(
        "scans of live codes",
        ("scan",),
        timedelta(days=30),
        "the till's leave to act ended",
        "a retry of the till is answered as before, and an inquiry sees which till read a code",
        "deleted; what was redeemed or used stays",
        walk=walks.SCANS,
    ),
    Kind(
        "what merchants are owed and paid",
        ("settlement", "settlement_line", "budget"),
        None,
        "for good",
        "accounting documents are kept for 30 years (会计档案管理办法); they name redemptions by"
        " their ids, and no person",
        "nothing is deleted",
    ),
    Kind(
        "merchants' own codes",
        ("pool_file", "pool_code", "stock_change"),
        None,
        "for good",
        "a code is never loaded or given twice; sealed, and found by keyed hashes",
        "nothing is deleted",
    ),
    Kind(
        "messages to merchants' systems",
        ("webhook_message",),
        timedelta(days=90),
        "it was delivered or given up",
        "a merchant sees what its system was told, and asks for it again; ids and amounts, nothing"
        " of a resident",
        "deleted",
        walk=walks.MESSAGES,
    ),
    Kind(
        "the catalogue",
        (
            *("unit", "expiry_policy", "division", "division_merge", "programme", "partner"),
            *("behaviour", "factor", "method", "method_material", "city_baseline", "tariff"),
            *("rule", "scene", "scene_change", "consent_text", "scene_reminder"),
            *("merchant", "shop", "scanner", "agreement", "donation_project", "webhook_endpoint"),
            *("offer", "offer_version", "offer_stock", "picture"),
        ),
        None,
        "for good",
        "what was decided says by which version of which document; no personal data, and merchants'"
        " bank details sealed",
        "nothing is deleted",
    ),
    Kind(
        "districts’ sums",
        ("district_day", "district_month", "district_resident", "district_late"),
        None,
        "for good",
        "districts’ figures, whose residents are counted once, and by whose late acts a report’s"
        " next version is judged; made from the ledger, and made again by `tanhui districts"
        " rebuild`. Opaque holder ids",
        "what is taken back is counted no more; after closing they lead to nobody",
    ),
    Kind(
        "plans’ targets and what districts report",
        ("plan_target", "reported_value"),
        None,
        "for good",
        "progress is judged years later; figures of whole divisions and who of the staff entered"
        " them, nothing of a resident",
        "nothing is deleted",
    ),
    Kind(
        "districts’ reports",
        ("district_report",),
        None,
        "for good",
        "what was published is read and checked years later, each version under its hash and"
        " signature; sums of ten residents and more, nothing of one",
        "nothing is deleted; a new version stands beside the one before",
    ),
    Kind(
        "audits that were asked for",
        ("audit_run",),
        None,
        "for good",
        "who had the books recomputed, when, and what drifted; ids of accounts, nothing of a"
        " person",
        "nothing is deleted",
    ),
    Kind(
        "runs of jobs",
        ("job_run", "job_state", "job_lease", "alembic_version"),
        None,
        "90 days",
        "what went wrong in the night; no personal data",
        "the job `forget_runs` deletes runs; a row a job stays",
    ),
)
