"""The text of a PDF as a reader copies it: each shown code by the font that is set at that place.

Reads what fpdf2 writes, and no other PDF. Where no font is set it fails: a reader would show
nothing there.
"""

import re
import zlib

_OBJECT = re.compile(rb"\n(\d+) 0 obj\n(.*?)\nendobj", re.DOTALL)
_STREAM = re.compile(rb"stream\n(.*)\nendstream", re.DOTALL)
_TOKEN = re.compile(rb"/(F\d+) [\d.]+ Tf|\((?:\\.|[^\\()])*\)|\bTj\b|\bET\b|\bq\b|\bQ\b", re.DOTALL)
_PAIR = re.compile(rb"<([0-9A-F]+)> <([0-9A-F]+)>\n")
_ESCAPED = {b"n": b"\n", b"r": b"\r", b"t": b"\t", b"b": b"\b", b"f": b"\f"}


def pages(pdf: bytes) -> list[str]:
    """The text of each page, a line for each piece that is shown."""
    objects = {int(number): body for number, body in _OBJECT.findall(pdf)}
    fonts = _fonts(objects)
    found = []
    for body in objects.values():
        if b"/Type /Page\n" in body:
            contents = re.search(rb"/Contents (\d+) 0 R", body)
            assert contents
            found.append(_text(_stream(objects[int(contents[1])]), fonts))
    return found


def _stream(body: bytes) -> bytes:
    stream = _STREAM.search(body)
    assert stream
    return zlib.decompress(stream[1]) if b"/FlateDecode" in body else stream[1]


def _fonts(objects: dict[int, bytes]) -> dict[bytes, dict[bytes, str]]:
    """By resource name: what each two bytes stand for."""
    named = {}
    for body in objects.values():
        for name, number in re.findall(rb"/(F\d+) (\d+) 0 R", body):
            cmap = re.search(rb"/ToUnicode (\d+) 0 R", objects[int(number)])
            assert cmap
            named[name] = {
                bytes.fromhex(code.decode()): bytes.fromhex(text.decode()).decode("utf-16-be")
                for code, text in _PAIR.findall(_stream(objects[int(cmap[1])]))
            }
    return named


def _text(stream: bytes, fonts: dict[bytes, dict[bytes, str]]) -> str:
    said, font, kept = [""], None, []
    for token in _TOKEN.finditer(stream):
        word = token[0]
        if token[1]:
            font = fonts[token[1]]
        elif word == b"q":
            kept.append(font)
        elif word == b"Q":
            font = kept.pop()
        elif word == b"ET":
            said.append("")
        elif word.startswith(b"("):
            assert font is not None, "no font is set"
            codes = re.sub(rb"\\(.)", lambda m: _ESCAPED.get(m[1], m[1]), word[1:-1], flags=re.S)
            said[-1] += "".join(font[codes[n : n + 2]] for n in range(0, len(codes), 2))
    return "\n".join(filter(None, said))
