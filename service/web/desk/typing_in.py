"""What people type, as the API takes it. What cannot be read is sent as it was typed: the API says
what is wrong with it, in words that it has for every caller.
"""

import re
from typing import Any

from werkzeug.datastructures import MultiDict

_WHOLE = re.compile(r"-?[0-9]{1,15}")
_YUAN = re.compile(r"([0-9]{1,12})(?:[.]([0-9]{1,2}))?")
_LOCAL = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}(:[0-9]{2})?")
_BETWEEN = re.compile(r"[\s,，、;；]+")


def parsed(kind: str, name: str, sent: MultiDict[str, str]) -> Any:
    """The value of an input of this kind; None where nothing was typed."""
    if kind == "check":
        return name in sent
    if kind == "many":
        return sent.getlist(name)
    typed = sent.get(name, "")
    if kind == "password":
        return typed or None
    typed = typed.strip()
    if not typed:
        return [] if kind == "list" else None
    match kind:
        case "number":
            whole = typed.replace(",", "").replace("，", "")
            return int(whole) if _WHOLE.fullmatch(whole) else typed
        case "yuan":
            return fen(typed)
        case "instant":
            return f"{typed}+08:00" if _LOCAL.fullmatch(typed) else typed
        case "list":
            return [one for one in _BETWEEN.split(typed) if one]
        case "area":
            return typed.replace("\r\n", "\n")
    return typed


def fen(typed: str) -> int | str:
    """Yuan as typed, "1,234.50", in fen; what is no such number stays as it is."""
    plain = typed.replace(",", "").replace("，", "").removeprefix("¥").removeprefix("￥")
    if found := _YUAN.fullmatch(plain):
        return int(found[1]) * 100 + int((found[2] or "0").ljust(2, "0"))
    return typed


def one_line(typed: str) -> str:
    """Lines of a text box as one line, for what the API keeps as one."""
    return " ".join(typed.split())
