"""Lists show what the caller's grant reaches, and nothing else, however they are paged."""

from collections.abc import Iterator
from typing import Any
from uuid import UUID, uuid4

import pytest
from sqlalchemy import select

from activities.models import Participant
from tests.service.reach.world import Side

# Where, by whom, the name of what is listed, and which of a side's values each row has.
LISTS = {
    "/v1/corrections": ("corrections", "id", "correction"),
    "/v1/activity-corrections": ("corrections", "id", "activity_correction"),
    "/v1/reviews": ("reviews", "activity_id", "held"),
    "/v1/top-ups": ("top_ups", "id", "top_up"),
    "/v1/appeals": ("appeals", "activity_id", "refused"),
}


@pytest.fixture
def walked(client):
    """Every row of a list, page by page."""

    def walk(path: str, rows: str, headers: dict[str, str], limit: int = 200) -> Iterator[Any]:
        cursor: dict[str, str] = {}
        while True:
            answer = client.get(path, query_string={"limit": str(limit)} | cursor, headers=headers)
            assert answer.status_code == 200, answer.text
            yield from answer.json[rows]
            if answer.json["next_cursor"] is None:
                return
            cursor = {"cursor": answer.json["next_cursor"]}

    return walk


@pytest.mark.parametrize("role", ["operator", "auditor"])
@pytest.mark.parametrize("path", LISTS)
def test_a_grant_of_one_programme_lists_nothing_of_another(world, walked, bearer, path, role):
    rows, key, name = LISTS[path]
    for own, other in ((world.mine, world.theirs), (world.theirs, world.mine)):
        headers = bearer(role, "s", programme=own.programme)

        found = list(walked(path, rows, headers, 1))

        assert [each[key] for each in found] == [str(getattr(own, name))]
        assert {each["holder_id"] for each in found} == {str(own.resident)}
        assert other.masked(str(found)).count("<") == 0


@pytest.mark.parametrize("path", LISTS)
def test_a_grant_of_one_division_lists_who_lives_there(world, walked, bearer, database, path):
    rows, key, name = LISTS[path]
    headers = bearer("operator", "s", "310118")

    found = list(walked(path, rows, headers))

    listed = {each[key] for each in found}
    assert str(getattr(world.theirs, name)) in listed
    assert str(getattr(world.mine, name)) not in listed
    holders = {UUID(each["holder_id"]) for each in found}
    query = select(Participant.division_code).where(Participant.holder_id.in_(holders))
    towns = set(database.transact(lambda session: session.scalars(query).all()))
    assert {town[:6] for town in towns} == {"310118"}


@pytest.mark.parametrize("path", LISTS)
def test_programme_and_division_hold_together(world, walked, bearer, path):
    """A programme's grant for a district in which none of its residents lives."""
    headers = bearer("operator", "s", "310118", programme=world.mine.programme)

    assert list(walked(path, LISTS[path][0], headers)) == []


@pytest.mark.parametrize("path", LISTS)
def test_a_grant_of_all_lists_both(world, walked, bearer, path):
    rows, key, name = LISTS[path]

    listed = {each[key] for each in walked(path, rows, bearer("operator", "s"))}

    assert {str(getattr(side, name)) for side in (world.mine, world.theirs)} <= listed


@pytest.mark.parametrize("path", LISTS)
def test_a_token_that_names_no_programme_lists_nothing(walked, bearer, path):
    """Staff without one reach nobody: what is missing does not mean everything."""
    headers = bearer("operator", "s", programme="")

    assert list(walked(path, LISTS[path][0], headers)) == []


def codes(client: Any, path: str, rows: str, key: str, headers: dict[str, str]) -> set[str]:
    answer = client.get(path, headers=headers)
    assert answer.status_code == 200, answer.text
    return {each[key] for each in answer.json[rows]}


def scenes_of(side: Side) -> set[str]:
    return {side.scene, side.app_scene, side.staff_scene, side.consent_scene}


def test_scenes_are_those_of_the_programme(world, client, bearer):
    for own, other in ((world.mine, world.theirs), (world.theirs, world.mine)):
        callers = [
            bearer("resident", own.resident),
            *(bearer(role, "s", programme=own.programme) for role in ("operator", "volunteer")),
        ]
        for headers in callers:
            listed = codes(client, "/v1/scenes", "scenes", "code", headers)
            assert scenes_of(own) <= listed
            assert not scenes_of(other) & listed
    everything = codes(client, "/v1/scenes", "scenes", "code", bearer("auditor", "s"))
    assert scenes_of(world.mine) | scenes_of(world.theirs) <= everything


def test_offers_are_those_of_the_programme(world, client, bearer):
    place = ("/v1/offers", "offers", "id")
    for own, other in ((world.mine, world.theirs), (world.theirs, world.mine)):
        for headers in (
            bearer("resident", own.resident),
            bearer("resident", own.resident, actor=str(other.resident), powers="read"),
        ):
            listed = codes(client, *place, headers)
            assert str(own.offer) in listed
            assert str(other.offer) not in listed
    assert codes(client, *place, bearer("resident", uuid4())) == set()


def test_drafts_are_those_of_the_programme(world, client, bearer):
    place = ("/v1/catalogue/drafts", "drafts", "name")

    listed = codes(client, *place, bearer("operator", "s", programme=world.mine.programme))

    assert world.mine.draft in listed
    assert world.theirs.draft not in listed
    both = {world.mine.draft, world.theirs.draft}
    assert both <= codes(client, *place, bearer("auditor", "s"))


def test_merchants_are_those_of_the_programme(world, walked, bearer):
    for own in (world.mine, world.theirs):
        headers = bearer("operator", "s", programme=own.programme)
        listed = {each["id"] for each in walked("/v1/merchants", "merchants", headers, 1)}
        assert listed == {str(own.merchant)}
    assert list(walked("/v1/merchants", "merchants", bearer("auditor", "s", programme=""))) == []


def test_budgets_are_those_of_the_programme(world, walked, bearer):
    for own in (world.mine, world.theirs):
        headers = bearer("auditor", "s", programme=own.programme)
        listed = {each["id"] for each in walked("/v1/budgets", "budgets", headers, 1)}
        assert listed == {str(own.budget)}
    assert list(walked("/v1/budgets", "budgets", bearer("auditor", "s", programme=""))) == []


@pytest.mark.parametrize(
    ("path", "rows", "name"),
    [
        ("shops", "shops", "shop"),
        ("scanners", "scanners", "scanner"),
        ("agreements", "agreements", "agreement"),
        ("staff", "staff", "clerk"),
    ],
)
def test_what_a_merchant_has_is_told_to_its_manager(world, walked, bearer, path, rows, name):
    for own, other in ((world.mine, world.theirs), (world.theirs, world.mine)):
        headers = bearer("merchant_manager", "s", own.merchant, programme=own.programme)
        url = f"/v1/merchants/{own.merchant}/{path}"
        listed = {each["id"] for each in walked(url, rows, headers, 1)}
        assert str(getattr(own, name)) in listed
        assert str(getattr(other, name)) not in listed


def test_members_are_those_with_a_grant_in_the_programme(world, walked, bearer):
    headers = bearer("administrator", "s", programme=world.mine.programme)

    listed = {each["id"] for each in walked("/v1/members", "members", headers)}

    assert listed == {str(world.mine.member), str(world.mine.clerk)}


def test_the_admin_log_is_that_of_the_programme(world, walked, bearer):
    """What was done at the desk of ``theirs`` is in theirs and not in mine."""

    def seen(programme: str, role: str) -> list[dict[str, Any]]:
        return list(walked("/v1/admin-log", "acts", bearer(role, "s", programme=programme)))

    theirs = {each["programme"] for each in seen(world.theirs.programme, "auditor")}
    assert theirs == {world.theirs.programme}
    assert seen(world.mine.programme, "auditor") == []
    hidden = seen(world.theirs.programme, "administrator")
    assert all(each["holder_id"] is None for each in hidden)
    assert world.theirs.masked(str(hidden)).count("<resident>") == 0
