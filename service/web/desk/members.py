"""Staff: who there is, what each may do; invited, blocked, reset, granted."""

from typing import Any
from uuid import UUID

from flask import Response, url_for
from flask_babel import gettext as _

from service.identity.tokens import STAFF_ROLES
from service.services import services
from service.web.asking import Answer, ask, get
from service.web.desk import bp
from service.web.desk.shapes import Facts, Field, Form, Note, Secrets, Table, Typed
from service.web.desk.showing import page, rows_of
from service.web.guards import page_for
from service.web.rendering import role_name

LOGIN = {"maxlength": "64", "autocapitalize": "none", "autocomplete": "off"}


@bp.route("/members", methods=["GET", "POST"])
@page_for("administrator")
def members() -> Response:
    """All within reach, and a form to invite."""
    rows, more = rows_of("/v1/members", "members")
    shown = [one | {"roles": _roles(one["grants"])} for one in rows]
    columns = [
        ("login", _("登录名")),
        ("display_name", _("姓名")),
        ("roles", _("角色")),
        ("enrolled", _("已设密码和验证器")),
        ("invitation_ends_at", _("邀请有效至")),
        ("blocked_at", _("停用登录时间")),
    ]
    form = Form(
        "invite",
        _("邀请工作人员"),
        lambda typed: ask("PUT", f"/v1/members/{typed.id}", body=typed.body),
        _("发出邀请"),
        (
            Field("login", _("登录名"), hint=_("以后不能更改"), attributes=LOGIN),
            Field("display_name", _("姓名"), attributes={"maxlength": "100"}),
        ),
        shows=_invited,
    )
    return page(
        _("工作人员"),
        Table(
            _("工作人员"),
            columns,
            shown,
            link=lambda one: url_for("desk.member", member_id=one["id"]),
            empty=_("还没有工作人员。"),
            next_cursor=more,
        ),
        side=[form],
    )


@bp.route("/members/<uuid:member_id>", methods=["GET", "POST"])
@page_for("administrator")
def member(member_id: UUID) -> Response:
    """One of the staff, with grants."""
    path = f"/v1/members/{member_id}"
    one = get(path)
    facts = "login display_name enrolled invitation_ends_at blocked_at made_at made_by id"
    columns = "role programme scope granted_at granted_by ended_at ended_by"
    return page(
        one["display_name"],
        Facts("", facts, one),
        Table(
            _("授权"),
            columns,
            one["grants"],
            acts=lambda grant: [] if grant["ended_at"] else [_ending(path, grant)],
            empty=_("还没有授权，登录后什么也看不到。"),
        ),
        side=[_grant(path), *_access(path, one)],
        at="desk.members",
        back=(url_for("desk.members"), _("工作人员")),
    )


def _invited(told: Any) -> list[Any]:
    if not told.get("invitation"):
        return [Note(_("邀请已在十分钟前显示过；需要时请重置后再邀请。"), "warn")]
    url = services().settings.public_url
    link = url + url_for("enter.invited", invitation=told["invitation"])
    values = [(_("登录名"), told["login"]), (_("邀请链接"), link)]
    return [Secrets(_("请当面或通过安全渠道交给本人，只显示这一次"), values)]


def _roles(grants: list[dict[str, Any]]) -> list[str]:
    return sorted({role_name(one["role"]) for one in grants if not one["ended_at"]})


def _grant(path: str) -> Form:
    def act(typed: Typed) -> Answer:
        return ask("PUT", f"{path}/grants/{typed.id}", body=typed.body)

    roles = [(role, role_name(role)) for role in STAFF_ROLES]
    return Form(
        "grant",
        _("授予角色"),
        act,
        _("授予"),
        (
            Field("role", _("角色"), "choice", options=roles),
            Field("programme", _("项目代码"), hint=_("* 为全部项目")),
            Field(
                "scope",
                _("范围"),
                required=False,
                hint=_("区划代码；商户人员填商户编号，接入方填接入方代码；不填为不限"),
            ),
        ),
        done="given",
    )


def _ending(path: str, grant: dict[str, Any]) -> Form:
    return Form(
        f"end-{grant['id']}",
        "",
        lambda _typed: ask("DELETE", f"{path}/grants/{grant['id']}"),
        _("结束授权"),
        done="ended",
        confirm=_("结束后用这个角色登录的会话立即失效。确定结束？"),
        tone="danger",
    )


def _access(path: str, one: dict[str, Any]) -> list[Form]:
    forms = [
        Form(
            "reset",
            "",
            lambda typed: ask("PUT", f"{path}/reset/{typed.id}"),
            _("重置密码和验证器"),
            shows=_invited,
            confirm=_("原密码、验证器和登录都会失效，并生成新的邀请。确定重置？"),
            tone="",
        )
    ]
    if one["blocked_at"]:
        forms.append(
            Form(
                "unblock",
                "",
                lambda _typed: ask("DELETE", f"{path}/block"),
                _("恢复登录"),
                done="unblocked",
                tone="",
            )
        )
    else:
        forms.append(
            Form(
                "block",
                "",
                lambda _typed: ask("PUT", f"{path}/block"),
                _("停用登录"),
                done="blocked",
                confirm=_("停用后立即退出登录，不能再登录。确定停用？"),
                tone="danger",
            )
        )
    return forms
