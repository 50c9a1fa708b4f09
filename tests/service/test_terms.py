"""Terms of service and privacy notice: always there, each version under its hash, for anybody."""

import hashlib
from collections.abc import Callable
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from service.app import create_app
from service.login_settings import LoginSettings
from service.terms.texts import BYTES_MAX, Block, Terms, TermsNotReadable, blocks
from tests.service.answers import refused_in_both_languages

FILES = ("terms.zh.md", "terms.en.md", "privacy.zh.md", "privacy.en.md")
ENGLISH = {"Accept-Language": "en"}


@pytest.fixture
def folder(tmp_path) -> Callable[[int], Path]:
    """Writes a version of a city's own."""

    def write(version: int) -> Path:
        folder = tmp_path / f"v{version}"
        folder.mkdir()
        for name in FILES:
            (folder / name).write_text(f"# {name} {version}\n\nWords.\n", "utf-8")
        return folder

    return write


@pytest.fixture
def terms(tmp_path) -> Callable[..., Terms]:
    return lambda version=1, **more: Terms.of(
        LoginSettings(terms_version=version, terms_dir=tmp_path, **more)
    )


@pytest.fixture
def serving(settings):
    """The service by other settings of the terms."""

    @contextmanager
    def serve(**terms):
        app = create_app(replace(settings, logins=replace(settings.logins, **terms)))
        yield app.test_client()
        app.extensions["tanhui"].database.dispose()

    return serve


# --- What is read at the start --------------------------------------------------------------------


def test_the_bundled_texts_are_whole_in_both_languages():
    by_kind = {}
    for one in Terms.of(LoginSettings()).documents(1):
        parts = blocks(one.text)
        by_kind.setdefault(one.kind, []).append([(part.kind, len(part.lines)) for part in parts])
        assert sum(part.kind == "heading" for part in parts) == 10
        assert not any(line.startswith(("#", "-")) for part in parts for line in part.lines)

    assert by_kind.keys() == {"terms", "privacy"}
    for chinese, english in by_kind.values():
        assert chinese == english  # The same parts, and lists of the same length.


def test_the_operating_body_stands_in_the_texts_or_is_plainly_missing():
    without = Terms.of(LoginSettings()).documents(1)
    half = Terms.of(LoginSettings(operator_name="某市碳普惠中心")).documents(1)
    whole = Terms.of(
        LoginSettings(operator_name="某市碳普惠中心", operator_contact="电话 12345")
    ).documents(1)

    assert [one.complete for one in (*without, *half, *whole)] == [False] * 8 + [True] * 4
    assert all("尚未填写" in one.text or "not filled in yet" in one.text for one in without)
    for one in whole:
        assert "某市碳普惠中心" in one.text
        assert "电话 12345" in one.text
        assert "{" not in one.text
        assert one.sha256 == hashlib.sha256(one.text.encode()).hexdigest()


def test_a_city_has_its_own_versions_and_the_older_ones_stay(folder, terms):
    folder(2), folder(4), folder(5)

    found = terms(4)

    assert sorted(found.versions) == [1, 2, 4]  # 1 is the bundled one, 5 is not in force yet.
    assert found.documents(2)[0].title == "terms.zh.md 2"
    assert found.documents(1)[0].title == "碳惠服务条款"


def test_a_citys_own_first_version_takes_the_bundled_ones_place(folder, terms):
    folder(1)

    assert [one.title for one in terms().documents(1)] == [f"{name} 1" for name in FILES]


@pytest.mark.parametrize("name", FILES)
def test_without_one_of_its_files_a_version_is_refused(folder, terms, name):
    path = folder(1) / name
    path.unlink()

    with pytest.raises(TermsNotReadable) as refusal:
        terms()

    assert str(path) in str(refusal.value)
    assert "TANHUI_TERMS_DIR" in str(refusal.value)


def test_the_version_in_force_is_the_citys_own_or_none(folder, terms, tmp_path):
    folder(2)

    with pytest.raises(TermsNotReadable, match="v1"):
        terms(1)  # The bundled one would be another text than the city's.
    with pytest.raises(TermsNotReadable, match="v2"):
        Terms.of(LoginSettings(terms_version=2))


def test_an_older_version_that_is_not_whole_is_refused_too(folder, terms):
    (folder(2) / FILES[3]).unlink()
    folder(3)

    with pytest.raises(TermsNotReadable, match=r"v2/privacy\.en\.md"):
        terms(3)


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (b"", "must begin"),
        (b"No title\n\nWords\n", "must begin"),
        (b"# A title alone\n", "must begin"),
        ("# 标题\n\n正文".encode("gb18030"), "not UTF-8"),
        (b"# Long\n\n" + b"a" * BYTES_MAX, "holds more than"),
    ],
)
def test_what_is_no_text_is_refused(folder, terms, content, told):
    path = folder(1) / FILES[0]
    path.write_bytes(content)

    with pytest.raises(TermsNotReadable, match=told) as refusal:
        terms()

    assert str(path) in str(refusal.value)


def test_a_folder_in_a_files_place_is_refused(folder, terms):
    path = folder(1) / FILES[0]
    path.unlink()
    path.mkdir()

    with pytest.raises(TermsNotReadable, match="cannot be read"):
        terms()


def test_a_text_has_headings_paragraphs_and_lists():
    text = "# T\nfirst\nline\n\n## H\n- a\n- b\n  goes on\n\n第一行\n第二行\n\n**no** mark\n# nor"

    assert blocks(text) == [
        Block("paragraph", ["first line"]),
        Block("heading", ["H"]),
        Block("list", ["a", "b goes on"]),
        Block("paragraph", ["第一行第二行"]),
        Block("paragraph", ["**no** mark # nor"]),
    ]


# --- What anybody is told -------------------------------------------------------------------------


def test_anybody_reads_the_terms_in_force_each_under_its_hash(client):
    answer = client.get("/v1/terms")

    told = answer.json
    assert (told["version"], told["in_force"], told["versions"]) == (1, True, [1])
    assert {(one["kind"], one["language"]) for one in told["texts"]} == {
        (kind, language) for kind in ("terms", "privacy") for language in ("zh-CN", "en")
    }
    for one in told["texts"]:
        assert one["sha256"] == hashlib.sha256(one["text"].encode()).hexdigest()
        assert one["text"].startswith(f"# {one['title']}\n")
        assert one["complete"] is False
    assert client.get("/v1/terms/1").json == told


def test_what_was_read_is_not_sent_twice(client):
    tag = client.get("/v1/terms").headers["ETag"]

    again = client.get("/v1/terms", headers={"If-None-Match": tag})

    assert (again.status_code, again.data) == (304, b"")
    assert again.headers["Cache-Control"] == "no-cache"


@pytest.mark.parametrize("version", [0, 2, 10**6, 10**30])
def test_an_unknown_version_is_a_typed_problem(client, database, version):
    refused_in_both_languages(
        database,
        lambda headers: client.get(f"/v1/terms/{version}", headers=headers),
        404,
        "unknown-terms",
    )


def test_an_old_version_stays_readable_and_a_coming_one_is_not_shown(folder, serving, tmp_path):
    folder(2), folder(3)

    with serving(terms_version=2, terms_dir=tmp_path) as client:
        now, old = client.get("/v1/terms").json, client.get("/v1/terms/1").json
        coming = client.get("/v1/terms/3")
        page = client.get("/terms?version=1")

    assert (now["version"], now["in_force"], now["versions"]) == (2, True, [1, 2])
    assert (old["version"], old["in_force"]) == (1, False)
    assert coming.status_code == 404
    assert "这不是现行的版本" in page.text
    assert 'href="/terms?version=2"' in page.text


def test_the_service_does_not_start_without_its_terms(settings, tmp_path):
    logins = replace(settings.logins, terms_dir=tmp_path)

    with pytest.raises(TermsNotReadable, match=r"terms\.zh\.md"):
        create_app(replace(settings, logins=logins))


# --- Pages ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("path", "chinese", "english"),
    [
        ("/terms", "服务条款", "terms of service"),
        ("/privacy", "个人信息处理规则", "Privacy notice"),
    ],
)
def test_both_are_pages_in_both_languages(client, path, chinese, english):
    zh, en = client.get(path), client.get(path, headers=ENGLISH)

    assert chinese in zh.text
    assert english in en.text
    assert "尚未填写" in zh.text
    assert "software: the operating body has not filled in" in en.text
    assert client.get(f"{path}?version=1").status_code == 200


@pytest.mark.parametrize("version", ["0", "2", "-1", "abc", "9" * 40, "1/../../me", "１", "1.0"])
def test_a_page_of_no_version_is_not_found(client, version):
    assert client.get("/terms", query_string={"version": version}).status_code == 404


def test_marks_of_html_are_shown_and_do_nothing(folder, serving, tmp_path):
    bad = "<script>alert(1)</script>"
    path = folder(1) / "privacy.zh.md"
    path.write_text(f"# {bad}\n\n## {bad}\n\n{bad} {{operator_name}}\n\n- {bad}\n", "utf-8")

    with serving(terms_dir=tmp_path, operator_name="<b>碳惠</b>") as client:
        page = client.get("/privacy").text

    assert bad not in page
    assert page.count("&lt;script&gt;alert(1)&lt;/script&gt;") == 5  # In the head's title too.
    assert "&lt;b&gt;碳惠&lt;/b&gt;" in page


@pytest.mark.parametrize("path", ["/", "/sign-in", "/staff/sign-in", "/docs", "/verify", "/no"])
def test_pages_lead_to_the_texts(client, path):
    page = client.get(path, headers={"Accept": "text/html"}).text

    assert 'href="/terms"' in page
    assert 'href="/privacy"' in page
