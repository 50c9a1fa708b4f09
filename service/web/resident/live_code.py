"""The live code at the till: made ahead for half an hour, so that it also shows in a cellar.

What the browser keeps of it is the phone's id and key, as the API told them after a fresh sign-in,
in a cookie that no script reads. Pages know no key that an app would not have been given.
"""

import re
from base64 import urlsafe_b64decode
from datetime import UTC, datetime
from typing import Any, NamedTuple
from uuid import UUID, uuid4

import segno
from flask import Response, jsonify, request, url_for
from flask_babel import gettext as _

from rewards.tills.live_codes import STEP_S, LiveCode, step_of, written
from service.web.asking import Answer, ask, get
from service.web.cookies import keep, kept
from service.web.devices import device_name
from service.web.rendering import render, see_other
from service.web.resident import bp
from service.web.resident.acting import own_page

COOKIE, COOKIE_S = "tanhui_code", 180 * 24 * 60 * 60
STEPS_AHEAD = 60
_KEPT = re.compile(r"([0-9a-f-]{36})\.([A-Za-z0-9_-]{43})")


class Phone(NamedTuple):
    """This browser as a phone that shows codes."""

    device_id: UUID
    key: bytes

    def code(self, step: int) -> str:
        """What it shows in one of the half minutes since 1970."""
        return written(self.key, LiveCode(self.device_id, step))


@bp.get("/code")
@own_page
def live_code() -> Response:
    """The code of now; without JavaScript the page is loaded anew for the next one."""
    return _page()


@bp.post("/code")
@own_page
def set_up() -> Response:
    """Let this browser show codes, or no more."""
    if (phone := phone_kept()) and request.form.get("what") == "end":
        ask("DELETE", f"/v1/code-devices/{phone.device_id}")
        answer = see_other(url_for(".live_code", done="ended"))
        keep(answer, COOKIE, "", samesite="Strict")
        return answer
    sent = request.form.get("device_id", "")
    device_id = sent if re.fullmatch("[0-9a-f-]{36}", sent) else str(uuid4())
    made = ask("PUT", f"/v1/code-devices/{device_id}", body={"name": device_name()})
    if made.refused or made.body["key"] is None:
        return _page(made)
    answer = see_other(url_for(".live_code"))
    value = f"{made.body['id']}.{made.body['key']}"
    keep(answer, COOKIE, value, for_s=COOKIE_S, samesite="Strict")
    return answer


@bp.get("/code/next.json")
@own_page
def next_codes() -> Response:
    """The codes of the next half hour as pictures of dots, and our clock."""
    phone, now = _live(), datetime.now(UTC)
    if phone is None:
        return jsonify(codes=[])
    first = step_of(now)
    codes = [_drawn(phone.code(first + ahead)) for ahead in range(STEPS_AHEAD)]
    return jsonify(
        now_ms=int(now.timestamp() * 1000), first_step=first, step_ms=STEP_S * 1000, codes=codes
    )


def sign_off(answer: Response) -> None:
    """Before somebody signs out here: this browser shows no more of their codes."""
    if phone := phone_kept():
        ask("DELETE", f"/v1/code-devices/{phone.device_id}")
        keep(answer, COOKIE, "", samesite="Strict")


def phone_kept() -> Phone | None:
    """What this browser keeps, whether or not it is still good."""
    if not (found := _KEPT.fullmatch(kept(COOKIE))):
        return None
    try:
        return Phone(UUID(found[1]), urlsafe_b64decode(found[2] + "="))
    except ValueError:
        return None


def _live() -> Phone | None:
    """This browser, unless it was signed off or is another resident's phone."""
    if (phone := phone_kept()) is None:
        return None
    devices: list[dict[str, Any]] = get("/v1/code-devices", limit=200)["code_devices"]
    known = (each for each in devices if each["id"] == str(phone.device_id))
    return phone if any(each["ended_at"] is None for each in known) else None


def _page(refused: Answer | None = None) -> Response:
    phone, now = _live(), datetime.now(UTC)
    dones = {"ended": _("这台设备不再显示动态码。")}
    return render(
        "resident/live_code.html",
        status=refused.status if refused else 200,
        code=phone.code(step_of(now)) if phone else None,
        left_s=STEP_S - int(now.timestamp()) % STEP_S,
        device_id=uuid4(),
        refused=refused,
        dones=dones,
    )


def _drawn(code: str) -> str:
    """The dots of a QR code, line by line, as hexadecimal: "<lines>:<hex>"."""
    lines = segno.make(code, error="m", micro=False).matrix
    bits = "".join("1" if dot else "0" for line in lines for dot in line)
    digits = -(-len(bits) // 4)
    return f"{len(lines)}:{int(bits.ljust(digits * 4, '0'), 2):0{digits}x}"
