"""What a browser calls itself."""

from flask import request
from flask_babel import gettext as _


def device_name() -> str:
    """As lists show this browser: its name and system, as far as it says them."""
    agent = request.user_agent.string
    names = {"MicroMessenger": _("微信"), "Edg": "Edge", "Firefox": "Firefox"}
    names |= {"Chrome": "Chrome", "Safari": "Safari"}
    systems = ("Android", "iPhone", "iPad", "Windows", "Macintosh", "Linux")
    browser = next((name for mark, name in names.items() if mark in agent), _("浏览器"))
    return " ".join((browser, *(each for each in systems if each in agent)))[:60]
