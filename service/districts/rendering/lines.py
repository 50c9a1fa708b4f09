"""Lines of text for pages: Chinese breaks between any two characters, English between words.

No line begins with a closing mark or ends with an opening one. What is wider than a line without
a place to break (a hash) breaks anywhere.
"""

import re
from collections.abc import Callable

_HAN = "\u2e80-\u9fff\uf900-\ufaff\uff00-\uffef\u3000-\u303f"
_CLOSING = "，。、；：？！）】》”’％〉」』"
_OPENING = "（【《“‘〈「『"
_PART = re.compile(
    rf"[{_OPENING}]*(?:[{_HAN}]|[^\s{_HAN}{_OPENING}{_CLOSING}]+)[{_CLOSING}]*|[{_OPENING}{_CLOSING}]+|\s+"
)


def lines(text: str, width: float, width_of: Callable[[str], float]) -> list[str]:
    """The lines of a text that is to be ``width`` wide at most; one at least."""
    found: list[str] = []
    for paragraph in text.splitlines() or [""]:
        found += _paragraph(paragraph, width, width_of)
    return found


def _paragraph(text: str, width: float, width_of: Callable[[str], float]) -> list[str]:
    if width_of(text) <= width:
        return [text]
    found, line, taken = [], "", 0.0
    for part in _PART.findall(text):
        room = width_of(part)
        if taken + room <= width:
            line, taken = line + part, taken + room
        elif part.isspace():
            found.append(line)
            line, taken = "", 0.0
        else:
            if line:
                found.append(line.rstrip())
            *whole, line = _broken(part, width, width_of)
            found += whole
            taken = width_of(line)
    return [*found, line.rstrip()] if line.strip() or not found else found


def _broken(part: str, width: float, width_of: Callable[[str], float]) -> list[str]:
    """A part in pieces that fit, mostly one."""
    pieces, piece = [], ""
    for letter in part:
        if piece and width_of(piece + letter) > width:
            pieces.append(piece)
            piece = ""
        piece += letter
    return [*pieces, piece]
