"""Where one is signed in, what happened to one's logins, and who read one's data."""

from uuid import UUID

from flask import Response, request, url_for
from flask_babel import gettext as _

from service.web.asking import Refused, ask, get
from service.web.rendering import render, see_other
from service.web.resident import bp
from service.web.resident.acting import my_page, own_page

PAGE = 30


@bp.get("/security")
@own_page
def security() -> Response:
    """Sessions, and the events of signing in."""
    cursor = request.args.get("cursor")
    events = get("/v1/me/security-events", limit=PAGE, cursor=cursor)
    return render(
        "resident/security.html",
        sessions=get("/v1/me/sessions")["sessions"],
        events=events["events"],
        cursor=events["next_cursor"],
        event_kinds=_events(),
        methods=_methods(),
        dones={"ended": _("已经退出。那台设备最迟十分钟后失去登录。")},
    )


@bp.post("/security")
@own_page
def end_session() -> Response:
    """Sign one device out, or all others."""
    wanted = request.form.get("session_id", "")
    path = "/v1/me/sessions"
    if wanted != "others":
        try:
            path += f"/{UUID(wanted)}"
        except ValueError:
            return see_other(url_for(".security"))
    done = ask("DELETE", path)
    if done.refused:
        raise Refused(done)
    return see_other(url_for(".security", done="ended"))


@bp.get("/reads")
@my_page
def reads() -> Response:
    """Who read which personal data, and what for."""
    found = get("/v1/me/reads", limit=PAGE, cursor=request.args.get("cursor"))
    return render(
        "resident/reads.html",
        reads=found["reads"],
        cursor=found["next_cursor"],
        names=_fields(),
        purposes=_purposes(),
    )


def _methods() -> dict[str, str]:
    return {"phone": _("手机验证码"), "wechat": _("微信"), "oidc": _("城市统一登录")}


def _events() -> dict[str, str]:
    return {
        "sign_up": _("注册"),
        "login": _("登录成功"),
        "logout": _("退出登录"),
        "refresh_reused": _("登录凭证被重复使用，为安全起见已退出"),
        "session_revoked": _("退出了一台设备"),
        "sessions_revoked": _("退出了其他设备"),
        "phone_changed": _("更换了手机号"),
        "phone_bound": _("绑定了手机号"),
        "phone_bound_by_guardian": _("监护人绑定了手机号"),
        "delegate_began": _("家人开始代办"),
        "delegate_ended": _("家人代办结束"),
        "closed": _("账户注销"),
    }


def _fields() -> dict[str, str]:
    return {
        "name": _("称呼"),
        "phone": _("手机号"),
        "birth_on": _("出生日期"),
        "card": _("卡号"),
    }


def _purposes() -> dict[str, str]:
    return {
        "profile": _("查看个人资料"),
        "export": _("导出数据"),
        "delegates": _("查看代办关系"),
        "acting-for": _("查看代办关系"),
        "children": _("查看孩子的资料"),
        "top_up": _("交通卡充值"),
    }
