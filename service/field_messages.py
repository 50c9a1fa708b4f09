"""What marshmallow says about a field, in Chinese too. A test keeps the table complete."""

import re

from service.language import Text

_CHINESE = {
    "Missing data for required field.": "此项必填。",
    "Unknown field.": "没有此项。",
    "Field may not be null.": "不能为空。",
    "Invalid input type.": "须为 JSON 对象。",
    "Not a valid string.": "须为字符串。",
    "Not a valid integer.": "须为整数。",
    "Not a valid UUID.": "须为 UUID。",
    "Not a month, as in (.+).": r"须为月份，如 \1。",
    "Length must be between (.+) and (.+).": r"长度须为 \1 至 \2。",
    "Must be greater than or equal to (.+) and less than or equal to (.+).": r"须为 \1 至 \2。",
}


def field_message(message: str) -> Text:
    """marshmallow's message in both languages; one that is not in the table stays English."""
    for pattern, chinese in _CHINESE.items():
        if match := re.fullmatch(pattern, message):
            return Text(match.expand(chinese), message)
    return Text(message, message)
