"""What msgspec says of a line, for people, in both languages. A test keeps the table complete."""

import re

from service.language import Text

_KINDS = {
    "str": ("文本", "a text"),
    "int": ("整数", "a whole number"),
    "datetime": ("时刻", "an instant"),
    "uuid": ("UUID", "a UUID"),
    "array": ("数组", "an array"),
    "object": ("对象", "an object"),
}
_PLACE = re.compile(r"(?P<what>.*?)(?: - at `\$\.?(?P<at>.*)`)?", re.DOTALL)
# What msgspec says, and what we say of the field {at}; {0} is what it names.
_SAYINGS: tuple[tuple[str, str, str], ...] = (
    (r"Object missing required field `(.+)`", "缺少 {0}", "{0} is missing"),
    (r"Object contains unknown field `(.*)`", "没有 {0} 这个字段", "there is no field {0}"),
    (r"Expected `\w+` >= (.+)", "{at} 小于 {0}", "{at} is below {0}"),
    (r"Expected `\w+` <= (.+)", "{at} 大于 {0}", "{at} is above {0}"),
    (r"Expected `str` of length >= 1", "{at} 为空", "{at} is empty"),
    (
        r"Expected `str` of length <= (.+)",
        "{at} 超过 {0} 个字符",
        "{at} has more than {0} characters",
    ),
    (r"Expected `array` of length (.+)", "{at} 须有 {0} 项", "{at} has {0} items"),
    (
        r"Expected `str` matching regex .*",
        "{at} 含有不允许的字符",
        "{at} has characters not allowed",
    ),
    (
        r"Expected `datetime` with .*",
        "{at} 缺少时区偏移，如 +08:00",
        "{at} has no offset, as +08:00",
    ),
    (r"Invalid RFC3339 encoded datetime", "{at} 不是 RFC 3339 时刻", "{at} is no RFC 3339 instant"),
    (r"Invalid UUID", "{at} 不是 UUID", "{at} is no UUID"),
    (r"Integer value out of range|Number out of range", "{at} 超出范围", "{at} is out of range"),
)
_NOT_JSON = Text("不是有效的 JSON", "not valid JSON")
_NOT_UTF_8 = Text("不是 UTF-8 编码", "not UTF-8")


def line_message(error: Exception) -> Text:
    """Why a line was not read, in one line; names its fields, shows nothing of its values."""
    if isinstance(error, UnicodeError):
        return _NOT_UTF_8
    found = _PLACE.fullmatch(str(error))
    assert found is not None
    what = found["what"]
    at = _printable(found["at"] or "") or "line"
    for pattern, zh, en in _SAYINGS:
        if match := re.fullmatch(pattern, what, re.DOTALL):
            facts = [_printable(each or "") for each in match.groups()]
            if "field `" in what and found["at"]:
                facts[0] = f"{at}.{facts[0]}"
            return Text(zh.format(*facts, at=at), en.format(*facts, at=at))
    if match := re.match(r"Expected `(\w+)(?: \| null)?`, got `", what):
        zh, en = _KINDS.get(match[1], (match[1], match[1]))
        if at == "line":
            return Text("须为 JSON 对象", "not a JSON object")
        return Text(f"{at} 须为{zh}", f"{at} is not {en}")
    return _NOT_JSON


def _printable(name: str) -> str:
    """A field's name as it was sent, made fit for one line."""
    return "".join(letter if letter.isprintable() else "?" for letter in name[:64])
