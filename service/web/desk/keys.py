"""Systems' keys: made, told once, ended."""

from typing import Any

from flask import Response
from flask_babel import gettext as _

from service.web.asking import ask
from service.web.desk import bp
from service.web.desk.shapes import Field, Form, Note, Secrets, Table
from service.web.desk.showing import page, rows_of
from service.web.guards import page_for

SCOPES = ("consumptions", "offers", "real_names", "scans", "settlements", "webhooks")


@bp.route("/api-keys", methods=["GET", "POST"])
@page_for("administrator")
def api_keys() -> Response:
    """All keys, and a new one."""
    rows, more = rows_of("/v1/api-keys", "keys")
    owners = {"merchant": _("商户"), "verifier": _("实名核验方")}
    scopes = {
        "consumptions": _("券核销"),
        "offers": _("商品"),
        "real_names": _("实名状态"),
        "scans": _("扫码"),
        "settlements": _("结算"),
        "webhooks": _("推送"),
    }
    shown = [
        one
        | {
            "owner_kind": owners.get(one["owner_kind"], one["owner_kind"]),
            "scopes": [scopes.get(each, each) for each in one["scopes"]],
        }
        for one in rows
    ]
    form = Form(
        "new",
        _("新密钥"),
        lambda typed: ask("PUT", f"/v1/api-keys/{typed.id}", body=typed.body),
        _("生成"),
        (
            Field("owner_kind", _("给谁"), "choice", options=list(owners.items())),
            Field("owner", _("商户编号，或核验方名称"), attributes={"maxlength": "64"}),
            Field("name", _("密钥名称"), attributes={"maxlength": "100"}),
            Field("scopes", _("用途"), "many", options=[(each, scopes[each]) for each in SCOPES]),
        ),
        shows=_made,
    )
    return page(
        _("系统密钥"),
        Table(
            _("系统密钥"),
            "name owner_kind owner scopes expires_at last_used_at retired_at made_by",
            shown,
            acts=lambda one: [] if one["retired_at"] else [_ending(one)],
            empty=_("还没有密钥。"),
            next_cursor=more,
        ),
        side=[form],
    )


def _made(told: Any) -> list[Any]:
    if not told.get("key"):
        return [Note(_("密钥已在十分钟前显示过，不能再看；需要时请另做一把。"), "warn")]
    return [Secrets(_("请通过安全渠道交给对方，只显示这一次"), [(told["name"], told["key"])])]


def _ending(one: dict[str, Any]) -> Form:
    return Form(
        f"end-{one['id']}",
        "",
        lambda _typed: ask("DELETE", f"/v1/api-keys/{one['id']}"),
        _("停用"),
        done="ended",
        confirm=_("停用后对方的系统立即不能再调用。确定停用？"),
        tone="danger",
    )
