"""What kinds and states are called on the auditor's pages; a code without a name stays a code."""

from base64 import b64encode

from flask_babel import gettext as _

from service.printing import grams
from service.web.rendering import number, yuan


def posting_kind(kind: str) -> str:
    """Of a posting."""
    known: dict[str, str] = {
        "intake": _("入账行为"),
        "review": _("复核"),
        "adjustment": _("行为更正"),
        "correction": _("账目更正"),
        "redemption": _("兑换权益"),
        "refund": _("退回"),
        "return": _("退回"),
        "capture": _("使用预留"),
        "lapse": _("积分到期"),
        "grant": _("积分发放"),
        "settlement": _("商户结算"),
        "closing": _("注销清零"),
        "reversal": _("冲正"),
    }
    return known.get(kind, kind)


def transfer_kind(kind: str) -> str:
    """Of a transfer."""
    known: dict[str, str] = {
        "earn": _("获得"),
        "grant": _("发放"),
        "bonus": _("奖励"),
        "spend": _("使用"),
        "lapse": _("到期"),
        "reversal": _("冲正"),
        "refund": _("退回"),
        "refund_in_grace": _("退回（宽限）"),
        "release": _("释放"),
        "debt_payment": _("偿还欠分"),
        "correction": _("更正"),
        "payable": _("应付商户"),
        "settle": _("付给商户"),
    }
    return known.get(kind, kind)


def account_kind(kind: str) -> str:
    """Of an account."""
    known: dict[str, str] = {
        "personal": _("居民"),
        "issued": _("发放账户"),
        "redeemed": _("已兑换"),
        "expired": _("到期"),
        "retired": _("已注销"),
        "clearing": _("清算"),
    }
    return known.get(kind, kind)


def unit_name(unit: str) -> str:
    """Of the ledger."""
    known: dict[str, str] = {"point": _("积分"), "mg_co2e": _("减排量"), "fen": _("人民币")}
    return known.get(unit, unit)


def amount(value: int | None, unit: str) -> str:
    """With its unit, all digits kept."""
    if value is None:
        return "—"
    if unit == "fen":
        return yuan(value)
    if unit == "mg_co2e":
        return f"{'-' if value < 0 else ''}{grams(abs(value))} g"
    told: str = _("%(points)s 分", points=number(value))
    return told


def as_signed(root: str) -> str:
    """A tree's root as the signed checkpoints write it, so that the two can be compared."""
    return b64encode(bytes.fromhex(root)).decode()


def channel(name: str) -> str:
    """By which way staff acted."""
    known: dict[str, str] = {"api": _("页面或接口"), "command": _("命令行")}
    return known.get(name, name)


def fact(value: object) -> object:
    """A value of the admin log as people write it."""
    if value is None or value == "":
        return "—"
    if isinstance(value, bool):
        return _("是") if value else _("否")
    return value


def audit_state(state: str) -> tuple[str, str]:
    """What an audit's state is called, and how it is marked."""
    return {
        "waiting": (_("等待开始"), ""),
        "running": (_("正在核账"), "warn"),
        "clean": (_("没有差异"), "good"),
        "drift": (_("有差异"), "bad"),
        "failed": (_("没有完成"), "bad"),
    }[state]
