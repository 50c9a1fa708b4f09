"""The desk's menu: groups of pages, and who sees which."""

from typing import NamedTuple

from flask_babel import lazy_gettext as _

from service.identity.tokens import Caller
from service.web.desk.shapes import Said

OPERATOR, ADMINISTRATOR, VOLUNTEER = "operator", "administrator", "volunteer"
EVERYBODY = (OPERATOR, ADMINISTRATOR, VOLUNTEER)


class Entry(NamedTuple):
    """A page in the menu, by the name of its view."""

    endpoint: str
    text: Said
    roles: tuple[str, ...] = (OPERATOR,)


class Group(NamedTuple):
    """Pages that belong together; the first that one may open stands for them."""

    text: Said
    entries: tuple[Entry, ...]


MENU = (
    Group(_("首页"), (Entry("desk.home", _("首页"), EVERYBODY),)),
    Group(
        _("窗口"),
        (
            Entry("desk.residents", _("居民查询")),
            Entry("desk.entry", _("代录活动"), (OPERATOR, VOLUNTEER)),
            Entry("desk.registration", _("登记居民")),
            Entry("desk.consent_texts", _("授权书文本"), (OPERATOR, VOLUNTEER)),
            Entry("desk.lost_card", _("挂失卡")),
        ),
    ),
    Group(
        _("审核"),
        (
            Entry("desk.reviews", _("复核队列")),
            Entry("desk.appeals", _("申诉处理")),
            Entry("desk.corrections", _("更正审批")),
        ),
    ),
    Group(
        _("规则"),
        (
            Entry("desk.scenes", _("场景")),
            Entry("desk.drafts", _("待批草案")),
            Entry("desk.rules", _("核证规则")),
            Entry("desk.methods", _("方法学")),
            Entry("desk.factors", _("排放因子")),
            Entry("desk.behaviours", _("行为目录")),
            Entry("desk.tariffs", _("积分标准")),
        ),
    ),
    Group(
        _("商户与商品"),
        (
            Entry("desk.merchants", _("商户名单")),
            Entry("desk.settlements", _("结算")),
            Entry("desk.budgets", _("预算")),
            Entry("desk.projects", _("捐赠项目")),
            Entry("desk.top_ups", _("充值订单")),
            Entry("desk.double_uses", _("重复核销")),
            Entry("desk.refund", _("退还")),
            Entry("desk.liability", _("积分负债")),
        ),
    ),
    Group(_("区县"), (Entry("district.home", _("区县看板")),)),
    Group(
        _("运行"),
        (
            Entry("desk.feeds", _("数据接入对账")),
            Entry("desk.jobs", _("后台任务")),
        ),
    ),
    Group(
        _("人员与权限"),
        (
            Entry("desk.members", _("工作人员"), (ADMINISTRATOR,)),
            Entry("desk.api_keys", _("系统密钥"), (ADMINISTRATOR,)),
            Entry("desk.admin_log", _("操作日志"), (ADMINISTRATOR,)),
        ),
    ),
    Group(_("我的登录"), (Entry("desk.own", _("我的登录"), EVERYBODY),)),
)


def groups_of(caller: Caller | None) -> list[Group]:
    """What somebody may open, without groups that would be empty."""
    role = caller.role if caller else ""
    seen = (Group(one.text, tuple(e for e in one.entries if role in e.roles)) for one in MENU)
    return [group for group in seen if group.entries]


def current(groups: list[Group], endpoint: str) -> Group | None:
    """The group that a page is in."""
    for group in groups:
        if any(entry.endpoint == endpoint for entry in group.entries):
            return group
    return None
