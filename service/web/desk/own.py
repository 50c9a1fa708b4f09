"""One's own login: where one is signed in, what happened, password and recovery codes."""

from typing import Any

from flask import Response
from flask_babel import gettext as _

from service.web.asking import Answer, ask, get
from service.web.desk import bp
from service.web.desk.menu import EVERYBODY
from service.web.desk.shapes import Field, Form, Secrets, Table, Typed
from service.web.desk.showing import page, rows_of
from service.web.guards import page_for

PASSWORD = {"autocomplete": "current-password", "maxlength": "128"}
NEW = {"autocomplete": "new-password", "minlength": "12", "maxlength": "128"}
TOTP = {"autocomplete": "one-time-code", "inputmode": "numeric", "maxlength": "6"}


@bp.route("/own", methods=["GET", "POST"])
@page_for(*EVERYBODY)
def own() -> Response:
    """My login."""
    sessions = get("/v1/me/sessions")["sessions"]
    events, more = rows_of("/v1/me/security-events", "events")
    return page(
        _("我的登录"),
        Table(
            _("已登录的设备"),
            "device_name method began_at used_at ends_at current",
            sessions,
            acts=lambda one: [] if one["current"] else [_ending(one)],
            empty=_("没有登录的设备。"),
        ),
        Table(
            _("登录记录"),
            "happened_at kind from_network",
            events,
            empty=_("还没有记录。"),
            next_cursor=more,
        ),
        side=[_password(), _codes()],
    )


def _ending(one: dict[str, Any]) -> Form:
    return Form(
        f"end-{one['id']}",
        "",
        lambda _typed: ask("DELETE", f"/v1/me/sessions/{one['id']}"),
        _("退出"),
        done="ended",
        tone="",
    )


def _password() -> Form:
    def act(typed: Typed) -> Answer:
        return ask("PUT", "/v1/me/password", body=typed.body)

    return Form(
        "password",
        _("更改密码"),
        act,
        _("更改"),
        (
            Field("password", _("现在的密码"), "password", attributes=PASSWORD),
            Field("new_password", _("新密码（12 个字符以上）"), "password", attributes=NEW),
            Field("totp", _("动态验证码"), attributes=TOTP),
        ),
        hint=_("更改后其他设备上的登录会退出。"),
        tone="",
    )


def _codes() -> Form:
    def shows(told: Any) -> list[Secrets]:
        codes = [(str(at), code) for at, code in enumerate(told["recovery_codes"], 1)]
        return [Secrets(_("请保存恢复码，只显示这一次；以前的不再有效"), codes)]

    return Form(
        "codes",
        _("新的恢复码"),
        lambda typed: ask("POST", "/v1/me/recovery-codes", body=typed.body),
        _("生成"),
        (
            Field("password", _("现在的密码"), "password", attributes=PASSWORD),
            Field("totp", _("动态验证码"), attributes=TOTP),
        ),
        shows=shows,
        tone="",
    )
