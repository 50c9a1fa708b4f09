"""WeChat mini-programs: the code of ``wx.login`` becomes an openid, by WeChat's jscode2session."""

import logging
from typing import Any, Final

from service.identity.logins.errors import LoginNotProven, LoginProviderAway, LoginProviderRefuses
from service.identity.logins.outside import Outside, OutsideAway
from service.identity.logins.signing_in import Proof

log = logging.getLogger(__name__)
SOURCE: Final = "wechat"
ID_MAX = 128
# https://developers.weixin.qq.com/miniprogram/dev/OpenApiDoc/user-login/code2Session.html
_NOT_GOOD = {40029, 40163}  # The code is none, or was used.
_TOO_OFTEN = 45011
_RISK = 40226


class WeChat:
    """One mini-program, by its id and secret."""

    def __init__(self, url: str, app_id: str, secret: str, outside: Outside) -> None:
        self._url, self._app_id, self._secret = url, app_id, secret
        self._outside = outside

    def proof(self, code: str) -> Proof:
        """Whose code this is; WeChat takes it once. Its session key is thrown away here.

        A unionid goes before the openid where there is one, since it stays when the mini-program
        gets a sister; who signed up by openid before is found still.

        Raises:
            LoginNotProven, LoginProviderRefuses, LoginProviderAway.
        """
        question = {
            "appid": self._app_id,
            "secret": self._secret,
            "js_code": code,
            "grant_type": "authorization_code",
        }
        try:
            answer = self._outside.ask("GET", f"{self._url}/sns/jscode2session", params=question)
            if not answer.good:
                raise OutsideAway(f"status {answer.status}")
            said = answer.json()
        except OutsideAway as error:
            log.warning("WeChat does not answer: %s", error)
            raise LoginProviderAway(SOURCE) from None
        _check(said.get("errcode", 0))
        found = [said[name] for name in ("unionid", "openid") if said.get(name)]
        if not said.get("openid") or not all(map(_is_id, found)):
            log.warning("WeChat answered without an openid")
            raise LoginProviderAway(SOURCE)
        return Proof(SOURCE, tuple(found))


def _check(error: Any) -> None:
    if error == 0:
        return
    if not isinstance(error, int):
        log.warning("WeChat answered with an error that is no number")
        raise LoginProviderAway(SOURCE)
    if error in _NOT_GOOD:
        raise LoginNotProven(SOURCE)
    if error == _RISK:
        raise LoginProviderRefuses(SOURCE)
    if error == _TOO_OFTEN:
        raise LoginProviderAway(SOURCE, retry_after_s=60)
    log.warning("WeChat answered with error %s", error)
    raise LoginProviderAway(SOURCE)


def _is_id(value: object) -> bool:
    return isinstance(value, str) and len(value) <= ID_MAX and value.isascii()
