"""The docs keep their word: links lead somewhere, and every setting is told to operators."""

import re
from pathlib import Path

import pytest

from service.settings import Settings, _Reader

ROOT = Path(__file__).resolve().parents[2]
DOCS = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").glob("*.md")])
LINK = re.compile(r"(?<!!)\[[^\]]+\]\(([^)\s]+)\)")
IMAGE = re.compile(r"!\[[^\]\n]*\]\(([^)\s]+)\)")
FENCED = re.compile(r"^```.*?^```", re.MULTILINE | re.DOTALL)


def prose(path: Path) -> str:
    return FENCED.sub("", path.read_text("utf-8"))


def anchors(path: Path) -> set[str]:
    """Of each heading, as GitHub makes them: small letters, hyphens for blanks, no punctuation."""
    headings = re.findall(r"^#+ (.+)$", prose(path), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", each.lower()).replace(" ", "-") for each in headings}


@pytest.mark.parametrize("path", DOCS, ids=lambda path: path.name)
def test_every_relative_link_leads_to_a_file_and_a_heading(path):
    broken = []
    for target in LINK.findall(prose(path)) + IMAGE.findall(prose(path)):
        if target.startswith(("https://", "http://", "mailto:")):
            continue
        name, _, anchor = target.partition("#")
        found = (path.parent / name).resolve() if name else path
        if not found.exists() or (anchor and anchor not in anchors(found)):
            broken.append(target)
    assert broken == []


@pytest.mark.parametrize("path", DOCS, ids=lambda path: path.name)
def test_no_chapter_twice(path):
    headings = re.findall(r"^#+ .+$", prose(path), re.MULTILINE)
    assert path.name in ("CHANGELOG.md", "DECISIONS.md") or len(headings) == len(set(headings))


@pytest.mark.parametrize("name", ["README.md", "README.zh-CN.md"])
def test_readme_lists_every_doc(name):
    linked = set(LINK.findall((ROOT / name).read_text("utf-8")))
    assert {f"docs/{path.name}" for path in (ROOT / "docs").glob("*.md")} <= linked


class Asked(dict[str, str]):
    """An empty environment that remembers what it was asked for."""

    def __init__(self) -> None:
        self.names: set[str] = set()

    def pop(self, name: str, *default: str) -> str:
        self.names.add(name)
        return super().pop(name, *default)


def test_every_setting_is_in_the_operators_guide():
    """The names that the program asks the environment for, all of them and no other."""
    reader, asked = _Reader({}), Asked()
    reader.values = asked
    assert isinstance(reader.settings(), Settings)
    guide = (ROOT / "docs/operators.md").read_text("utf-8")
    rows = [line.split("|")[1] for line in guide.splitlines() if line.startswith("| `TANHUI_")]
    assert set(re.findall(r"`(TANHUI_\w+)`", " ".join(rows))) == asked.names
