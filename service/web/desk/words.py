"""What things are called at the desk: columns by their names on the wire, states, what was done.

A name says how its value is written, too: ``_fen`` is money, ``_at`` an instant.
"""

import re
from typing import Any

from flask_babel import gettext
from flask_babel import lazy_gettext as _

from service.web.desk.codes import TERMS
from service.web.desk.labels import LABELS
from service.web.desk.shapes import Said

MOVED_ON = _("页面打开后情况已有变化，刚才的操作没有执行；请核对现在的内容再操作。")

DONES: dict[str, Said] = {
    "saved": _("已保存。"),
    "approved": _("已批准。"),
    "rejected": _("已驳回，没有记账。"),
    "decided": _("已处理，下面是队列中的下一件。"),
    "decided_last": _("已处理，队列里没有等待的了。"),
    "answered": _("已答复。"),
    "proposed": _("已提出，等另一位工作人员批准。"),
    "ended": _("已结束。"),
    "blocked": _("已停用，不能再登录。"),
    "unblocked": _("已恢复，可以登录。"),
    "paid": _("已记录付款。"),
    "voided": _("已作废，明细可以重新结算。"),
    "draft_written": _("已起草，等另一位工作人员看过影响后批准。"),
    "drafted": _("已生成草稿。"),
    "published": _("已上架。"),
    "checked": _("会马上再向充值渠道查询。"),
    "settled": _("已核销这条差异。"),
    "given": _("已授予。"),
    "registered": _("已登记。"),
    "card_given": _("已发卡。"),
    "card_blocked": _("卡已挂失，不能再使用。"),
    "closed": _("账户已注销。"),
    "refunded": _("已退还。"),
}

# A state's word, and its colour: good, warn, bad or none. The word alone says it.
STATES: dict[str, tuple[Said, str]] = {
    "abandoned": (_("中断"), "bad"),
    "answer": (_("居民回答"), ""),
    "answered": (_("已答复"), ""),
    "appeal": (_("居民申诉"), "warn"),
    "approve": (_("主张批准"), "good"),
    "approved": (_("已批准"), "good"),
    "ask": (_("询问居民"), "warn"),
    "asked": (_("等居民回答"), "warn"),
    "cancelled": (_("已取消"), ""),
    "change": (_("改数量"), "warn"),
    "closed": (_("已结案"), ""),
    "confirmed": (_("商户已确认"), "warn"),
    "consumed": (_("已核销过"), "bad"),
    "disputed": (_("商户有异议"), "bad"),
    "done": (_("完成"), "good"),
    "draft": (_("草稿"), "warn"),
    "drafting": (_("正在汇总"), "warn"),
    "ended": (_("已结束"), ""),
    "expired": (_("已过期"), ""),
    "failed": (_("失败"), "bad"),
    "held": (_("待复核"), "warn"),
    "lapsed": (_("已失效"), ""),
    "open": (_("待处理"), "warn"),
    "ordered": (_("办理中"), "warn"),
    "overturn": (_("改判"), "good"),
    "overturned": (_("已改判"), "good"),
    "paid": (_("已付款"), "good"),
    "paused": (_("暂停"), "warn"),
    "pending": (_("待答复"), "warn"),
    "proposed": (_("待第二人批准"), "warn"),
    "published": (_("在售"), "good"),
    "refused": (_("被拒绝"), "bad"),
    "reject": (_("主张驳回"), "bad"),
    "rejected": (_("未通过"), "bad"),
    "running": (_("运行中"), "warn"),
    "seconded": (_("待第二人批准"), "warn"),
    "suspended": (_("已暂停"), "bad"),
    "upheld": (_("维持原决定"), ""),
    "uphold": (_("维持"), ""),
    "verified": (_("已核证"), "good"),
    "void": (_("已作废"), ""),
    "waiting": (_("待答复"), "warn"),
    "withdraw": (_("撤销活动"), "bad"),
    "passed": (_("符合"), "good"),
    "trimmed": (_("按上限扣减"), "warn"),
    "not_reached": (_("未到此步"), ""),
    "not_applicable": (_("不适用"), ""),
}

_STATEFUL = {"state", "status", "decision", "outcome", "last_outcome", "action", "result"}
_DAYS = {
    *("valid_from", "valid_to", "approved_from", "approved_to", "day", "period_from", "period_to"),
    *("expires_on", "month"),
}
_KILOGRAMS = {"saved_mg_co2e", "saved_before", "saved_after"}
_CODES = {"code", "id", "event_id", "credit_code", "division", "scene", "request_id", "rule"}
_CHINESE = re.compile("[\u4e00-\u9fff]")


def label(name: str) -> Said:
    """What a column is called."""
    return LABELS.get(name, name)


def kind_of(name: str) -> str:
    """How its values are written."""
    if name in _STATEFUL:
        return "state"
    if name in _KILOGRAMS:
        return "kilograms"
    if name in _DAYS:
        return "day"
    if name.endswith("_fen"):
        return "yuan"
    if name.endswith("_at") or name in ("at", "on_sale_from", "on_sale_to", "valid_until"):
        return "instant"
    if name == "role":
        return "role"
    if name in TERMS or name == "kind":
        return f"term:{name}"
    if name in _CODES or name.endswith("_id"):
        return "code"
    return "text"


def state_word(value: str) -> tuple[Said, str]:
    """A state's word and colour; one that has none is shown as it is."""
    return STATES.get(value, (value, ""))


def is_chinese(value: Any) -> bool:
    """Whether it is to be marked as Chinese on an English page."""
    return isinstance(value, str) and _CHINESE.search(value) is not None


def waited(seconds: int) -> Said:
    """How long something waits, in its largest unit."""
    if seconds < 3_600:
        return gettext("%(count)d 分钟", count=max(1, seconds // 60))
    if seconds < 2 * 86_400:
        return gettext("%(count)d 小时", count=seconds // 3_600)
    return gettext("%(count)d 天", count=seconds // 86_400)
