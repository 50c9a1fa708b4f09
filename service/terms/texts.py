"""Terms of service and privacy notice, by version.

A version is a folder ``v<number>`` of four files. All of them are read when the service starts, so
that nobody is asked to agree to what cannot be read; what was in force once stays readable.
"""

import hashlib
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from service.errors import CommandRefused, UnknownTerms
from service.login_settings import LoginSettings

BUNDLED = Path(__file__).resolve().parent
KINDS = ("terms", "privacy")
LANGUAGES = {"zh": "zh-CN", "en": "en"}  # As files are called, and as the rest of us calls them.
BYTES_MAX = 200_000
_VERSION = re.compile("v([1-9][0-9]{0,5})")
# What a text may leave to the settings, and what stands there until they say it.
_MISSING = {
    ("operator_name", "zh-CN"): "【运营机构名称：尚未填写】",
    ("operator_name", "en"): "[name of the operating body: not filled in yet]",
    ("operator_contact", "zh-CN"): "【联系方式：尚未填写】",
    ("operator_contact", "en"): "[contact of the operating body: not filled in yet]",
}


class TermsNotReadable(CommandRefused):
    """A text that residents are asked to agree to is not there; one line names it."""


@dataclass(frozen=True, slots=True)
class Document:
    """One text in one language, as people read it. ``complete``: nothing is left to fill in."""

    kind: str
    language: str
    title: str
    text: str
    complete: bool

    @property
    def sha256(self) -> str:
        """Of the text in UTF-8."""
        return hashlib.sha256(self.text.encode()).hexdigest()


@dataclass(frozen=True, slots=True)
class Block:
    """A part of a page: ``heading`` and ``paragraph`` have one line, ``list`` one an item."""

    kind: str
    lines: list[str]


@dataclass(frozen=True, slots=True)
class Terms:
    """Every version that can be read; ``in_force`` is one of them and the last."""

    in_force: int
    versions: Mapping[int, tuple[Document, ...]]

    @classmethod
    def of(cls, settings: LoginSettings) -> "Terms":
        """Read them all; raises TermsNotReadable where one is not whole.

        The version in force is the city's own where it has a folder; of the bundled ones, older
        versions that the city has not put in their place stay readable.
        """
        in_force, own = settings.terms_version, settings.terms_dir
        folders = _folders(BUNDLED) | (_folders(own) if own else {})
        folders[in_force] = (own or BUNDLED) / f"v{in_force}"
        return cls(
            in_force,
            {
                version: tuple(_read(folders[version], settings))
                for version in sorted(folders)
                if version <= in_force
            },
        )

    def documents(self, version: int) -> tuple[Document, ...]:
        """The texts of a version; raises UnknownTerms."""
        if version not in self.versions:
            raise UnknownTerms(version)
        return self.versions[version]


def blocks(text: str) -> list[Block]:
    """The parts of a text below its title: ``## heading``, ``- `` lists, paragraphs.

    There is no other mark. A line that goes on is joined to the one before it.
    """
    found: list[Block] = []
    open_block: Block | None = None
    for line in (each.strip() for each in text.splitlines()[1:]):
        if not line:
            open_block = None
        elif line.startswith("## "):
            found.append(Block("heading", [line[3:]]))
            open_block = None
        elif line.startswith("- "):
            if open_block is None or open_block.kind != "list":
                found.append(open_block := Block("list", []))
            open_block.lines.append(line[2:])
        elif open_block is None:
            found.append(open_block := Block("paragraph", [line]))
        else:
            open_block.lines[-1] = _joined(open_block.lines[-1], line)
    return found


def _folders(parent: Path) -> dict[int, Path]:
    return {
        int(match[1]): folder
        for folder in parent.iterdir()
        if folder.is_dir() and (match := _VERSION.fullmatch(folder.name))
    }


def _read(folder: Path, settings: LoginSettings) -> Iterator[Document]:
    for kind in KINDS:
        for short, language in LANGUAGES.items():
            path = folder / f"{kind}.{short}.md"
            written = _written(path)
            title = written.partition("\n")[0]
            if not title.startswith("# ") or not written.partition("\n")[2].strip():
                raise TermsNotReadable(f"{path} must begin with '# ' and a title, and say more")
            text, complete = _filled(written, language, settings)
            yield Document(kind, language, title[2:].strip(), text, complete)


def _written(path: Path) -> str:
    try:
        with path.open("rb") as file:
            found = file.read(BYTES_MAX + 1)
        if len(found) > BYTES_MAX:
            raise TermsNotReadable(f"{path} holds more than {BYTES_MAX:,} bytes")
        return found.decode("utf-8-sig").replace("\r\n", "\n").strip() + "\n"
    except OSError as error:
        raise TermsNotReadable(
            f"the terms that residents agree to cannot be read: {path}: {error.strerror};"
            " TANHUI_TERMS_VERSION and TANHUI_TERMS_DIR say where they are looked for"
        ) from error
    except UnicodeDecodeError as error:
        raise TermsNotReadable(f"{path} is not UTF-8") from error


def _filled(text: str, language: str, settings: LoginSettings) -> tuple[str, bool]:
    """With the operating body in its places; a place that nobody filled shows."""
    complete = True
    for name in ("operator_name", "operator_contact"):
        place, said = f"{{{name}}}", getattr(settings, name)
        complete = complete and (said is not None or place not in text)
        text = text.replace(place, said or _MISSING[name, language])
    return text, complete


def _joined(line: str, more: str) -> str:
    """With a blank between words, and none between Chinese characters."""
    blank = " " if line[-1].isascii() or more[0].isascii() else ""
    return f"{line}{blank}{more}"
