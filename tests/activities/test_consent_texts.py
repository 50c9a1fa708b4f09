"""The texts that residents consent to: there for every scene, true to it, never changed."""

import csv
import json
import shutil
from datetime import UTC, datetime

import pytest
from sqlalchemy import delete, func, select, text
from sqlalchemy.exc import ProgrammingError
from sqlalchemy.orm import Session

from activities.catalogue.files import BUNDLED, FILES
from activities.catalogue.loading import load
from activities.catalogue.models import ConsentText, Scene
from activities.errors import CatalogueRefused

pytestmark = pytest.mark.once

NOW = datetime(2026, 11, 21, tzinfo=UTC)


def rows(name: str) -> list[dict[str, str]]:
    with (BUNDLED / name).open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


ASKING = {row["code"]: row for row in rows("scenes.csv") if row["consent_version"]}
TEXTS = {row["scene_code"]: row for row in rows("consent_texts.csv")}
PARTNERS = {row["code"]: row for row in rows("partners.csv")}
BEHAVIOURS = {row["code"]: row for row in rows("behaviours.csv")}


@pytest.fixture
def folder(tmp_path):
    """A copy of the bundled files, without the long one."""
    for name in FILES:
        if name != "divisions.csv.gz" and (BUNDLED / name).is_file():
            shutil.copy(BUNDLED / name, tmp_path / name)
    return tmp_path


# --- What is shipped ------------------------------------------------------------------------------


def test_every_scene_that_asks_has_its_text_and_no_other():
    assert {code: row["version"] for code, row in TEXTS.items()} == {
        code: row["consent_version"] for code, row in ASKING.items()
    }


@pytest.mark.parametrize("language", ["zh", "en"])
def test_a_text_names_who_sends_what_and_how_to_withdraw(language):
    rest = {
        "zh": ("用途：", "保存：", "撤回：", "“数据授权”", "14 周岁"),
        "en": ("What for:", "How long:", "Withdrawal:", "“Data consents”", "under 14"),
    }[language]
    for code, scene in ASKING.items():
        told = TEXTS[code][f"text_{language}"]
        assert PARTNERS[scene["partner_code"]][f"name_{language}"] in told, code
        assert BEHAVIOURS[scene["behaviour_code"]][f"name_{language}"] in told, code
        assert [each for each in rest if each not in told] == [], code


def test_a_text_names_every_field_that_the_rules_want():
    """A rule that wants more than people agreed to would be found here."""
    named = {
        "geofence": ("行政区划", "administrative division"),
        "place_jump": ("行政区划", "administrative division"),
        "attestation_required": ("设备编号", "device's id"),
        "stride_range": ("里程", "the distance"),
        "photo": ("照片的校验值", "hash of a photo"),
        "odometer": ("里程表", "odometer"),
        "object": ("不透明编号", "opaque number"),
        "month": ("所属月份", "the month"),
        "mass": ("材料", "the material"),
    }
    wanted: dict[tuple[str, str], set[str]] = {}
    for rule in rows("rules.csv"):
        parameters = json.loads(rule["parameters"])
        what = {parameters["kind"], parameters.get("evidence", "")} & named.keys()
        wanted.setdefault((rule["programme_code"], rule["behaviour_code"]), set()).update(what)
    for method in rows("methods.csv"):
        if method["form"] == "mass":
            wanted[method["programme_code"], method["behaviour_code"]].add("mass")

    looked_at = 0
    for code, scene in ASKING.items():
        which = scene["programme_code"], scene["behaviour_code"]
        claimed = BEHAVIOURS[scene["behaviour_code"]]["claimed_by"]
        for what in wanted[which] | ({claimed} & named.keys()):
            zh, en = named[what]
            assert zh in TEXTS[code]["text_zh"], (code, what)
            assert en in TEXTS[code]["text_en"], (code, what)
            looked_at += 1
    assert looked_at > 200


def test_rides_say_that_no_track_is_kept():
    rides = {"shared_bike_ride", "metro_ride", "bus_ride", "own_bike_ride", "rail_trip", "walking"}
    for code, scene in ASKING.items():
        if scene["behaviour_code"] in rides:
            assert "行踪轨迹属于敏感个人信息：不收集、不保存" in TEXTS[code]["text_zh"]
            assert "neither collected nor kept" in TEXTS[code]["text_en"]


# --- Loading --------------------------------------------------------------------------------------


def test_the_texts_are_loaded_with_their_scenes(session):
    found = session.get_one(ConsentText, ("sh.metro.operator", 1))

    assert session.scalar(select(func.count()).select_from(ConsentText)) >= len(ASKING)
    assert found.text_zh == TEXTS["sh.metro.operator"]["text_zh"]
    assert found.text_en == TEXTS["sh.metro.operator"]["text_en"]


def test_a_catalogue_without_its_texts_is_refused_by_name(owner, folder):
    (folder / "consent_texts.csv").unlink()

    with owner.begin() as connection:
        connection.execute(delete(ConsentText))

    with Session(owner) as session, pytest.raises(CatalogueRefused) as refusal:
        load(session, folder, now=NOW)

    assert "scene sh.walking.app asks for consent to text 1" in str(refusal.value)
    assert "consent_texts.csv" in str(refusal.value)


def test_a_text_that_is_loaded_already_need_not_come_again(session, folder):
    (folder / "consent_texts.csv").unlink()

    assert set(load(session, folder, now=NOW).values()) == {0}


def test_a_text_once_loaded_is_never_changed(session, folder):
    path = folder / "consent_texts.csv"
    path.write_text(path.read_text("utf-8").replace("撤回：随时", "撤回：有时"), "utf-8")

    with pytest.raises(CatalogueRefused, match="loaded with other content"):
        load(session, folder, now=NOW)


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE consent_text SET text_zh = '另一份'",
        "DELETE FROM consent_text",
        "TRUNCATE consent_text",
    ],
)
def test_the_service_may_not_change_what_was_agreed_to(session, statement):
    with pytest.raises(ProgrammingError, match="permission denied"):
        session.execute(text(statement))


def test_a_database_of_the_release_before_gets_its_texts_by_loading_again(owner):

    with owner.begin() as connection:
        connection.execute(delete(ConsentText))

    with Session(owner) as session, session.begin():
        written = load(session, now=NOW)
        again = load(session, now=NOW)
        assert session.get_one(Scene, "sh.metro.operator").consent_version == 1

    assert {name: count for name, count in written.items() if count} == {
        "consent_texts.csv": len(TEXTS)
    }
    assert set(again.values()) == {0}
