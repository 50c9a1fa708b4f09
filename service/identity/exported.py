"""The files of an export, and what is in none of them, with the reason.

Kept here: nothing about a resident is left out silently: each table that names one is in a file or,
with its reason, in ``EXEMPT``; a test walks the schema.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from activities.models import ActivityCorrection, Appeal, Consent, Household, Reading, ReviewCase
from ledgers.models import Account, Correction, Hold, Lot
from rewards.models import CodeDevice, TopUp
from service.admin.models import AdminAct
from service.identity.exporting import (
    Rows,
    activities,
    devices,
    ledger,
    profile,
    redemptions,
    rows_of,
    steps,
)
from service.identity.logins.models import LoginSession, SecurityEvent
from service.identity.models import ActingFor, Delegation, PersonalRead
from service.language import Text


@dataclass(frozen=True, slots=True)
class File:
    """A file of the export: ``.ndjson`` has a record a line, ``.json`` a list of records.

    ``tables`` are those whose rows about the resident are in it.
    """

    name: str
    says: Text
    tables: tuple[str, ...]
    rows: Rows


FILES: tuple[File, ...] = (
    File(
        "profile.json",
        Text(
            "个人资料：注册时间、项目和街镇、姓名电话等（已解密），以及各来源的外部编号",
            "who you are: since when, programme and town, phone and name (opened), outside ids by"
            " their source",
        ),
        ("person", "participant", "personal_value", "outside_id", "subject"),
        profile,
    ),
    File(
        "activities.ndjson",
        Text(
            "每一次活动：数据、判定、理由及其后的调整；saved_mg_co2e 为毫克 CO2e",
            "every act: what was sent, decided and why, and what became of it; saved_mg_co2e in"
            " milligrams of CO2e, quantity in the behaviour's base unit",
        ),
        ("activity", "adjustment"),
        activities,
    ),
    File(
        "ledger.ndjson",
        Text(
            "全部账目，按时间先后，含余额；amount 和 balance 以 unit 为单位",
            "the whole ledger, oldest first, with running balance; amount and balance in unit",
        ),
        ("transfer",),
        ledger,
    ),
    File("accounts.json", Text("账户", "accounts"), ("account",), rows_of(Account, "guarded")),
    File(
        "lots.json",
        Text("各批积分的余额及到期日", "what remains of points, and the last day of each lot"),
        ("lot",),
        rows_of(Lot, where=Lot.remaining > 0),
    ),
    File(
        "holds.json",
        Text("积分预留", "points held for orders"),
        ("hold",),
        rows_of(Hold, "actor"),
    ),
    File(
        "redemptions.json",
        Text(
            "兑换及其券的状态（不含券码）",
            "redemptions, and how their vouchers stand (without codes)",
        ),
        ("redemption", "voucher"),
        redemptions,
    ),
    File(
        "top_ups.json",
        Text("充值及其结果；amount_fen 为分", "top-ups and what came of them; amount_fen in fen"),
        ("top_up",),
        rows_of(TopUp, "hold_id", "tries", "next_at", "answered", "contradicted_at"),
    ),
    File(
        "code_devices.json",
        Text("可显示动态码的手机", "phones that show your live code"),
        ("code_device",),
        rows_of(CodeDevice, "last_step", "last_scan_id"),
    ),
    File("consents.json", Text("场景授权", "consents"), ("consent",), rows_of(Consent, "actor")),
    File(
        "household.json",
        Text("家庭申报", "the household as declared"),
        ("household",),
        rows_of(Household, "actor"),
    ),
    File(
        "readings.json",
        Text("各月表计读数，以行为的基本单位计", "meter readings by month, in the base unit"),
        ("reading",),
        rows_of(Reading),
    ),
    File(
        "reviews.json",
        Text("人工复核", "acts that a person had to look at"),
        ("review_case",),
        rows_of(ReviewCase),
    ),
    File(
        "review_steps.ndjson",
        Text("复核和申诉中的每一步", "what was asked, answered and decided, step by step"),
        ("review_step",),
        steps,
    ),
    File("appeals.json", Text("申诉及答复", "appeals and answers"), ("appeal",),
         rows_of(Appeal, "answered_by")),
    File(
        "corrections.json",
        Text("对您账目的更正提议及结果", "corrections of your ledger, and what came of them"),
        ("correction",),
        rows_of(Correction, "proposed_by", "decided_by"),
    ),
    File(
        "activity_corrections.json",
        Text("对您活动的更正提议及结果", "corrections of your acts, and what came of them"),
        ("activity_correction",),
        rows_of(ActivityCorrection, "proposed_by", "decided_by"),
    ),
    File(
        "devices.json",
        Text("上报过您活动的设备（不透明编号）", "devices that reported for you, by an opaque id"),
        ("device_holder",),
        devices,
    ),
    File(
        "delegations.json",
        Text("谁可以代您办理", "who may act for you"),
        ("delegation",),
        rows_of(Delegation, "ended_by"),
    ),
    File(
        "acting_for.json",
        Text("您可以代谁办理", "for whom you may act"),
        ("acting_for",),
        rows_of(ActingFor, by="delegate_id"),
    ),
    File(
        "sessions.json",
        Text("登录会话", "logins"),
        ("login_session",),
        rows_of(LoginSession, by="person_id"),
    ),
    File(
        "security_events.ndjson",
        Text("登录安全事件（地址只留网段）", "what happened to your logins (no full addresses)"),
        ("security_event",),
        rows_of(SecurityEvent, by="person_id"),
    ),
    File(
        "reads.ndjson",
        Text("谁在何时为何读取了您的个人资料", "who read your personal data, when and what for"),
        ("personal_read",),
        rows_of(PersonalRead),
    ),
    File(
        "staff_acts.ndjson",
        Text("工作人员对您的账户所做的操作", "what staff did about you"),
        ("admin_act",),
        rows_of(AdminAct, "actor", "programme_code", "channel", "from_address", "request_id"),
    ),
)  # fmt: skip

EXEMPT: Mapping[str, str] = {
    "tally": "sums of activities.ndjson, kept for caps",
    "period_tally": "sums of activities.ndjson, kept for caps",
    "occupied": "times of activities.ndjson, kept to find overlaps",
    "balance_snapshot": "sums of ledger.ndjson at the beginning of months",
    "district_resident": "counts of activities.ndjson, kept so that a resident counts once",
    "district_late": "which entries of ledger.ndjson came after a district's report",
    "claim": "a hash of an act of activities.ndjson, kept so that it counts once",
    "received_event": "hashes of what activities.ndjson says, kept to know a retry by",
    "commitment_secret": "proves nothing alone; GET /v1/transfers/{id}/proof gives receipts",
    "refresh_token": "hashes of secrets that the apps hold",
    "scan": "a till's leave of minutes, deleted after 30 days; what came of it is a redemption",
    "programme": "its own holder is the programme, nobody's data",
    "system_bucket": "a programme's own accounts",
    "system_fold": "a programme's own accounts",
}
