"""Before they consent to a scene, residents read what they consent to."""

import pytest

from activities.catalogue.models import ConsentText
from service.identity.tokens import Caller
from tests.makers import a_resident
from tests.scenes import ELSEWHERE, a_scene
from tests.service.answers import refused, refused_in_both_languages
from tests.service.web.test_guards import browser_of, token_in

BAD = "<script>alert(1)</script>"
ENGLISH = {"Accept-Language": "en"}


@pytest.fixture
def holder_id(database):
    return database.transact(a_resident)


@pytest.fixture
def resident(bearer, holder_id):
    return bearer("resident", holder_id)


def a_text(session, code: str, version: int, zh: str = "第一段\n第二段", en: str = "Words") -> None:
    session.add(ConsentText(scene_code=code, version=version, text_zh=zh, text_en=en))


@pytest.fixture
def scene(database) -> str:
    """It asks for version 2; version 1 was asked for before."""

    def made(session) -> str:
        code = a_scene(session, consent_version=2).code
        session.flush()
        a_text(session, code, 1, "旧的", "Old")
        a_text(session, code, 2)
        return code

    return database.transact(made)


@pytest.fixture
def untold(database) -> str:
    """A scene that was loaded by the release before, without a text."""
    return database.transact(lambda session: a_scene(session, consent_version=2).code)


def text_url(scene: str, version: int = 2) -> str:
    return f"/v1/scenes/{scene}/consent-texts/{version}"


def test_the_text_is_read_by_residents_and_by_staff_who_see_the_scene(
    client, bearer, resident, scene
):
    told = {"scene": scene, "version": 2, "text_zh": "第一段\n第二段", "text_en": "Words"}

    for headers in (resident, bearer("operator"), bearer("volunteer"), bearer("auditor")):
        assert client.get(text_url(scene), headers=headers).json == told
    assert client.get(text_url(scene)).status_code == 401
    assert client.get(text_url(scene), headers=bearer("merchant")).status_code == 403


def test_the_version_that_somebody_agreed_to_before_stays_readable(client, resident, scene):
    assert client.get(text_url(scene, 1), headers=resident).json["text_zh"] == "旧的"


@pytest.mark.parametrize("version", [0, 3, 2**31, 10**30])
def test_a_version_that_never_was_is_a_typed_problem(client, database, resident, scene, version):
    refused_in_both_languages(
        database,
        lambda headers: client.get(text_url(scene, version), headers=resident | headers),
        404,
        "unknown-consent-text",
    )


def test_a_scene_of_another_programme_is_unknown(client, database, resident):
    def made(session) -> str:
        code = a_scene(session, programme_code=ELSEWHERE, consent_version=2).code
        session.flush()
        a_text(session, code, 2)
        return code

    code = database.transact(made)

    refused(client.get(text_url(code), headers=resident), 404, "unknown-scene")


def test_a_text_that_was_not_recorded_is_null_and_breaks_nothing(client, resident, untold):
    found = client.get(text_url(untold), headers=resident)
    body = {"text_version": 2, "given": True}

    assert (found.status_code, found.json["text_zh"], found.json["text_en"]) == (200, None, None)
    refused(client.get(text_url(untold, 1), headers=resident), 404, "unknown-consent-text")
    assert client.get(f"/v1/scenes/{untold}", headers=resident).status_code == 200
    given = client.put(f"/v1/consents/{untold}", json=body, headers=resident)
    assert given.status_code == 200, given.text


# --- The page -------------------------------------------------------------------------------------


@pytest.fixture
def mine(app, holder_id):
    """A browser in which the resident is signed in."""
    return browser_of(app, Caller(str(holder_id), "resident"))


def test_the_page_shows_the_text_before_the_button_and_the_button_consents(
    client, mine, resident, scene
):
    page = mine.get(f"/my/consents/{scene}").text

    assert 0 < page.index("<p>第一段</p>") < page.index("第二段") < page.index("同意</button>")
    assert "<p>Words</p>" in mine.get(f"/my/consents/{scene}", headers=ENGLISH).text
    form = {"form_token": token_in(page), "scene": scene, "given": "yes", "text_version": "2"}
    assert mine.post("/my/consents", data=form).status_code == 303
    found = client.get(f"/v1/scenes/{scene}", headers=resident).json
    assert found["consented"] is True
    assert "同意</button>" not in mine.get(f"/my/consents/{scene}").text


def test_the_list_leads_to_the_text_and_has_no_button_that_consents(mine, scene):
    page = mine.get("/my/consents").text

    assert f'href="/my/consents/{scene}"' in page
    assert "读授权书" in page
    assert 'value="yes"' not in page


def test_who_consents_to_a_text_of_before_reads_the_new_one(mine, scene):
    form = {"form_token": token_in(mine.get("/my/consents").text), "scene": scene}

    answer = mine.post("/my/consents", data=form | {"given": "yes", "text_version": "1"})

    assert answer.status_code == 409
    assert "第二段" in answer.text


def test_html_in_a_text_is_shown_and_does_nothing(database, mine):
    def made(session) -> str:
        code = a_scene(session, consent_version=1).code
        session.flush()
        a_text(session, code, 1, f"一\n{BAD}")
        return code

    page = mine.get(f"/my/consents/{database.transact(made)}").text

    assert BAD not in page
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in page


def test_the_page_says_that_a_text_is_not_recorded(mine, untold):
    page = mine.get(f"/my/consents/{untold}")

    assert page.status_code == 200
    assert "文本没有收录" in page.text


@pytest.mark.parametrize("code", ["no.such", "demo.bike", "a%2Fb", "..", "x" * 300])
def test_a_scene_without_a_text_has_no_page(mine, code):
    assert mine.get(f"/my/consents/{code}").status_code == 404


# --- On paper, at the counter ---------------------------------------------------------------------


@pytest.fixture
def counter(app):
    """Browsers of staff."""
    return lambda role: browser_of(app, Caller("anna", role, programme="*"))


@pytest.mark.parametrize("role", ["operator", "volunteer"])
def test_staff_at_the_counter_open_a_text_to_be_read_and_signed(counter, scene, role):
    listed = counter(role).get("/desk/consent-texts").text
    page = counter(role).get(f"/desk/consent-texts/{scene}").text

    assert f'href="/desk/consent-texts/{scene}"' in listed
    assert "第一段" in page
    assert page.index("第二段") < page.index("签名：____")
    english = counter(role).get(f"/desk/consent-texts/{scene}", headers=ENGLISH).text
    assert "Words" in english
    assert "Signature: ____" in english


def test_nobody_signs_a_text_that_is_not_there(counter, untold):
    page = counter("operator").get(f"/desk/consent-texts/{untold}").text

    assert "文本没有收录" in page
    assert "签名：" not in page
    assert counter("operator").get("/desk/consent-texts/demo.bike").status_code == 404


def test_who_registers_a_resident_is_led_to_the_texts(counter):
    page = counter("operator").get("/desk/registration?town=夏阳").text

    assert 'href="/desk/consent-texts"' in page
