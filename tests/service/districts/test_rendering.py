"""A report is the same in every format, whenever it is made, and hides what it withholds."""

import csv
import hashlib
import io
import re
import subprocess
import sys
from html.parser import HTMLParser

import pytest

from service.districts.rendering import lines as rendering_lines
from service.districts.rendering.formats import all_of, file_name, render
from service.districts.reports.contents import decoded
from tests.service.districts.pdf_text import pages
from tests.service.districts.report_contents import a_content, as_issued, reissued
from tests.workbooks import Number, sheets_of

ISSUED = as_issued(a_content(**reissued()))
LANGUAGES = ("zh-CN", "en")
_SUMS = """
import sys
from hashlib import sha256
from service.districts.rendering.formats import Issued, all_of, render
issued = Issued(sys.stdin.buffer.read(), sys.argv[1], sys.argv[2])
for shape, language in all_of():
    print(shape, language, sha256(render(issued, shape, language)).hexdigest())
"""


def test_another_process_in_another_zone_and_language_makes_the_same_bytes():
    ours = [
        f"{shape} {language} {hashlib.sha256(render(ISSUED, shape, language)).hexdigest()}"
        for shape, language in all_of()
    ]

    theirs = subprocess.run(
        [sys.executable, "-c", _SUMS, ISSUED.sha256, ISSUED.signature],
        input=ISSUED.written,
        capture_output=True,
        check=True,
        env={"TZ": "America/New_York", "LC_ALL": "C", "PYTHONHASHSEED": "7", "PYTHONPATH": "."},
    )

    assert theirs.stdout.decode().splitlines() == ours


def test_no_rendering_says_when_it_was_made():
    """But when the report was issued."""
    pdf = render(ISSUED, "pdf")

    assert b"/CreationDate (D:20261105013000Z" in pdf
    assert b"/MediaBox [0 0 595.28 841.89]" in pdf, "A4"
    assert not re.search(rb"/ModDate", pdf)


def test_json_is_what_was_issued():
    assert render(ISSUED, "json") == ISSUED.written
    assert hashlib.sha256(render(ISSUED, "json")).hexdigest() == ISSUED.sha256


@pytest.mark.parametrize(
    ("language", "said"),
    [
        (
            "zh-CN",
            ("青浦区 2026 年 10 月碳普惠报告", "乘坐地铁", "未公布", "地铁数据方补传"),
        ),
        ("en", ("Carbon-credit report of 青浦区, October 2026", "Metro ride", "withheld", "Total")),
    ],
)
def test_text_of_the_pdf_is_copied_as_it_is_read(language, said):
    found = pages(render(ISSUED, "pdf", language))
    whole = "\n".join(found)

    assert [each for each in said if each not in whole] == []
    assert "2026-10-31" in whole
    assert "2,700.999" in whole
    assert "\N{REPLACEMENT CHARACTER}" not in whole
    for number, page in enumerate(found, 1):
        assert f"{number} / {len(found)}" in page.replace("\u00a0", " "), "pages are numbered"
    assert ISSUED.sha256 in found[-1]
    assert ISSUED.signature.splitlines()[-1] in found[-1].splitlines(), "on one line, to be copied"


def test_a_table_names_its_columns_on_every_page():
    long = as_issued(a_content(towns=60))

    found = pages(render(long, "pdf"))

    with_town_rows = [page for page in found if "乘坐地铁\n" in page and "街道\n" in page]
    assert len(with_town_rows) >= 3
    for page in with_town_rows:
        assert "行为次数\n居民\n千克 CO₂e\n发放积分" in page


class _Page(HTMLParser):
    """What tags a page has, and what leads out of it."""

    def __init__(self) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))

    def of(self, name):
        return [attributes for tag, attributes in self.tags if tag == name]


@pytest.mark.parametrize("language", LANGUAGES)
def test_the_page_stands_alone_and_is_told_to_who_does_not_see_it(language):
    page = _Page()
    page.feed(render(ISSUED, "html", language).decode())

    assert page.of("html") == [{"lang": language}]
    assert not [tag for tag, _ in page.tags if tag in ("script", "link", "img", "iframe")]
    assert all(a["href"].startswith("#") for a in page.of("a"))
    assert "url(" not in render(ISSUED, "html", language).decode()
    assert len(page.of("caption")) == len(page.of("table")) > 5
    assert all(cell.get("scope") in ("col", "row") for cell in page.of("th"))
    headings = [tag for tag, _ in page.tags if re.fullmatch("h[1-6]", tag)]
    assert headings[0] == "h1"
    assert set(headings[1:]) == {"h2"}


def test_what_is_withheld_is_a_word_everywhere_and_has_a_legend():
    told = {language: render(ISSUED, "html", language).decode() for language in LANGUAGES}

    assert '<td class="n withheld">未公布</td>' in told["zh-CN"]
    assert '<td class="n withheld">withheld</td>' in told["en"]
    assert "“未公布”：" in told["zh-CN"]
    assert "“withheld”: " in told["en"]
    assert "801 †" in told["en"], "a sum that lacks something says so"
    assert "&lt;10" in told["en"], "one to nine residents"


HOSTILE = '=cmd|"/c calc"!A1'


def test_no_name_is_markup_or_a_formula():
    names = (("metro_ride", HOSTILE, "<script>alert(1)</script>"),)
    hostile = as_issued(a_content(behaviours=names, reason=HOSTILE, version=2, previous=None))

    assert "<script>" not in render(hostile, "html", "en").decode()
    rows = list(csv.DictReader(io.StringIO(render(hostile, "csv").decode("utf-8-sig"))))
    assert {row["behaviour_zh"] for row in rows} == {"", f"'{HOSTILE}"}
    sheets = sheets_of(render(hostile, "xlsx"))  # It fails where there is a formula.
    assert any(HOSTILE in row for rows in sheets.values() for row in rows)


def test_the_workbook_has_numbers_where_the_page_has_numbers():
    sheets = sheets_of(render(ISSUED, "xlsx", "en"))

    by_town = sheets["By town"]
    assert by_town[0][2] == "Activities"
    assert isinstance(by_town[1][2], Number)
    assert by_town[1][2].value == 800
    assert by_town[2][2].shown == '#,##0" †"'
    annex = sheets["Annex 1 town × behaviour"]
    assert "withheld" in [cell for row in annex for cell in row]
    about = [cell for row in sheets["About"] for cell in row]
    assert ISSUED.sha256 in about
    assert ISSUED.signature.splitlines()[-1] in about


def test_csv_has_every_figure_exactly_and_names_what_is_withheld():
    content = decoded(ISSUED.written)
    rows = list(csv.DictReader(io.StringIO(render(ISSUED, "csv").decode("utf-8-sig"))))

    of_towns = [row for row in rows if row["table"] == "by_town"]
    assert len(of_towns) == len(content["by_town"])
    assert sum(int(row["saved_mg_co2e"] or 0) for row in of_towns) == sum(
        row["figures"]["saved_mg_co2e"] for row in content["by_town"] if row["figures"]
    )
    hidden = [row for row in of_towns if row["withheld"]]
    assert [(row["town_code"], row["activities"], row["withheld"]) for row in hidden] == [
        ("310118002", "", "all")
    ]
    points = [row for row in rows if row["table"] == "points"]
    assert [row["withheld"] for row in points] == ["", "spent_points", "", ""]
    assert {(row["division_code"], row["period"], row["version"]) for row in rows} == {
        ("310118", "2026-10", "2")
    }


@pytest.mark.parametrize("language", LANGUAGES)
def test_a_year_of_twenty_towns_is_rendered_whole(language):
    year = as_issued(a_content(towns=20, kind="year"))

    found = "\n".join(pages(render(year, "pdf", language)))

    assert "第20街道" in found
    assert ("2026 年 12 月" if language == "zh-CN" else "December 2026") in found
    assert "ab" * 32 in found.replace("\n", ""), "the months that it adds up"


def test_differences_and_what_was_carried_over_are_told():
    found = "\n".join(pages(render(ISSUED, "pdf", "zh-CN")))

    assert "沿用上一版的数（变动可归于少于 10 名居民）：步行。" in found
    assert "1.000\n2.500" in found
    assert "cd" * 32 in found


def test_a_files_name_says_what_it_is():
    content = decoded(ISSUED.written)

    assert file_name(content, "pdf", "en") == "tanhui-310118-2026-10-v2-en.pdf"
    assert file_name(content, "csv", "en") == "tanhui-310118-2026-10-v2.csv"


@pytest.mark.parametrize(
    ("text", "lines"),
    [
        ("绿色出行，核证。", ["绿色出", "行，核", "证。"]),
        ("（甲乙）丙丁", ["（甲", "乙）丙", "丁"]),
        ("one two six", ["one", "two", "six"]),
        ("abcdefghi", ["abcd", "efgh", "i"]),
        ("a\n\nb", ["a", "", "b"]),
        ("", [""]),
    ],
)
def test_lines_break_where_they_may(text, lines):
    def width_of(part: str) -> float:
        return sum(1 if letter.isascii() else 1.3 for letter in part)

    assert rendering_lines.lines(text, 4, width_of) == lines
