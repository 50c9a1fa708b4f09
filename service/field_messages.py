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
    "Not a valid boolean.": "须为 true 或 false。",
    "Not a valid date.": "须为日期，如 2026-11-21。",
    "Not a valid UUID.": "须为 UUID。",
    "Not a valid (?:aware )?datetime.": "须为带时区的时刻，如 2026-11-21T00:00:00Z。",
    "Not a valid cursor.": "不是本列表给出的 next_cursor。",
    "Not a line of text.": "须为一行文字。",
    "Not a text.": "须为文字。",
    "Not a valid list.": "须为列表。",
    "Not a valid mapping type.": "须为一组名称和值。",
    "Must be one of: (.+).": r"须为其中之一：\1。",
    "Send either reversals or grant.": "reversals 与 grant 须且只能填一项。",
    "Send one of phone, card_number and holder_id.": (
        "phone、card_number 与 holder_id 须且只能填一项。"
    ),
    "Not before from, and within 31 days of it.": "不早于 from，且相距不超过 31 天。",
    "Send quantity with change, and with it only.": "quantity 须且只能与 change 一起填写。",
    "Send either totp or recovery_code.": "totp 与 recovery_code 须且只能填一项。",
    "Not 3 to 64 of a-z, 0-9, dot, hyphen, underscore and @.": (
        "须为 3 至 64 位小写字母、数字、点、连字符、下划线或 @，首尾为字母或数字。"
    ),
    "A transfer is named twice.": "同一笔记录写了两次。",
    "Must be later than from.": "须晚于 from。",
    "Not a period.": "须为期间，如 2026、2026-Q3 或 2026-10。",
    "Not after period_from.": "须晚于 period_from。",
    "Send object_kind too.": "须同时填写 object_kind。",
    "Must not be less than min_amount.": "不能小于 min_amount。",
    "Not a month, as in (.+).": r"须为月份，如 \1。",
    "Not 1 to 64 letters, digits or signs without a blank.": (
        "须为 1 至 64 个字母、数字或符号，不含空格。"
    ),
    "Not an https:// address.": "须为 https:// 开头的地址。",
    "Not a division's code.": "须为 2 至 12 位数字的区划代码。",
    "Not 64 hexadecimal digits.": "须为 64 位小写十六进制数字。",
    "Not a SHA-256 in hexadecimal.": "须为 64 位小写十六进制的 SHA-256。",
    "A scene is named twice.": "同一场景写了两次。",
    "Not a phone.": "须为手机号，如 138 0013 8000；境外号码以 + 和国家码开头。",
    "Not six digits.": "须为 6 位数字。",
    "Not zero.": "不能为 0。",
    "Not a date of birth.": "须为出生日期。",
    "Not a PKCE challenge.": "须为 43 个字符的 PKCE 挑战值（S256）。",
    "Not a PKCE verifier.": "须为 43 至 128 个字符的 PKCE 校验值。",
    "Not letters and digits.": "须为字母和数字。",
    "Not 8 to 32 digits.": "须为 8 至 32 位数字。",
    "Not a card's number.": "须为 6 至 32 位字母或数字的卡号。",
    "Length must be ([0-9]+).": r"须有 \1 项。",
    "Length must be between (.+) and (.+).": r"长度须为 \1 至 \2。",
    "Must be greater than or equal to (.+) and less than or equal to (.+).": r"须为 \1 至 \2。",
}


def field_message(message: str) -> Text:
    """marshmallow's message in both languages; one that is not in the table stays English."""
    for pattern, chinese in _CHINESE.items():
        if match := re.fullmatch(pattern, message):
            return Text(match.expand(chinese), message)
    return Text(message, message)
