"""A merchant's agreements, shops and scanners, and where it is paid."""

from datetime import datetime
from typing import Any

from flask_babel import gettext as _

from service.language import language
from service.web.asking import ask
from service.web.desk.shapes import Field, Form, Secrets, Table
from service.web.desk.showing import rows_of
from service.web.rendering import BEIJING

SHORT = {"maxlength": "100"}


def agreements(path: str) -> tuple[Table, list[Form]]:
    """What was agreed, and a form for another."""
    rows, more = rows_of(f"{path}/agreements", "agreements")
    rules = {"fixed": _("每份固定价"), "share": _("按面值比例"), "free": _("不付款")}
    shown = [one | {"price_rule": rules[one["price_rule"]]} for one in rows]
    columns = "valid_from valid_to price_rule fixed_fen share_bp document made_at made_by"
    table = Table(_("协议"), columns, shown, empty=_("还没有协议。"), next_cursor=more)
    today = datetime.now(BEIJING).date()
    form = Form(
        "agreement",
        _("录入协议"),
        lambda typed: ask("PUT", f"{path}/agreements/{typed.id}", body=typed.body),
        _("录入"),
        (
            Field("valid_from", _("起始日"), "day", value=today.isoformat()),
            Field("valid_to", _("截止日（不含）"), "day"),
            Field("price_rule", _("计价方式"), "choice", options=list(rules.items())),
            Field("fixed_fen", _("每份结算价（元）"), "yuan", False, hint=_("固定价时填写")),
            Field(
                "share_bp",
                _("面值比例（万分之）"),
                "number",
                False,
                hint=_("按比例时填写，八折为 8000"),
            ),
            Field("document", _("协议文件或编号"), attributes={"maxlength": "200"}),
        ),
    )
    return table, [form]


def shops(path: str) -> tuple[list[Any], list[Form]]:
    """Where it sells, what scans there, and forms for both."""
    found, more = rows_of(f"{path}/shops", "shops")
    name = "name_en" if language() == "en" else "name_zh"
    shown = [one | {"name": one[name]} for one in found]
    scanners, _next = rows_of(f"{path}/scanners", "scanners", cursor=None)
    by_id = {one["id"]: one["name"] for one in shown}
    scanned = [one | {"shop": by_id.get(one["shop_id"])} for one in scanners]
    parts = [
        Table(
            _("门店"),
            "name address division closed_at made_at made_by",
            shown,
            empty=_("还没有门店。"),
            next_cursor=more,
        ),
        Table(
            _("扫码设备"),
            "name shop made_at made_by retired_at",
            scanned,
            acts=lambda one: [] if one["retired_at"] else [_retiring(path, one)],
            empty=_("还没有扫码设备。"),
        ),
    ]
    form = Form(
        "shop",
        _("新门店"),
        lambda typed: ask("PUT", f"{path}/shops/{typed.id}", body=typed.body),
        _("开设"),
        (
            Field("name_zh", _("名称（中文）"), attributes=SHORT),
            Field("name_en", _("名称（英文）"), attributes=SHORT),
            Field("address", _("地址"), attributes={"maxlength": "200"}),
            Field("division", _("街镇代码"), required=False),
        ),
    )
    return parts, [form]


def bank(path: str) -> list[Form]:
    """Reading the account in clear, which is put down, and telling another."""

    def shows(told: Any) -> list[Secrets]:
        values = [
            (_("户名"), told["account_name"]),
            (_("账号"), told["account_number"]),
            (_("开户行"), told["bank_name"]),
        ]
        return [Secrets(_("收款账户"), values)]

    reading = Form(
        "bank",
        _("查看收款账户"),
        lambda typed: ask("GET", f"{path}/bank", query=typed.body),
        _("查看"),
        (Field("purpose", _("查看事由"), attributes={"maxlength": "200"}),),
        shows=shows,
        tone="",
        hint=_("每次查看都会记入操作日志。"),
    )
    telling = Form(
        "set_bank",
        _("登记收款账户"),
        lambda typed: ask("PUT", f"{path}/bank", body=typed.body),
        _("登记"),
        (
            Field("account_name", _("户名"), attributes=SHORT),
            Field("account_number", _("账号"), attributes={"autocomplete": "off"}),
            Field("bank_name", _("开户行"), attributes=SHORT),
        ),
        tone="",
    )
    return [reading, telling]


def _retiring(path: str, one: dict[str, Any]) -> Form:
    return Form(
        f"retire-{one['id']}",
        "",
        lambda _typed: ask("DELETE", f"{path}/scanners/{one['id']}"),
        _("停用"),
        done="ended",
        confirm=_("停用后不再接受这台设备的核销，不能恢复。确定停用？"),
        tone="danger",
    )
