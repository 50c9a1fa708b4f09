"""An honest act of every shipped scene is granted, to the milligram worked out by hand."""

from datetime import date, datetime, timedelta
from typing import Any
from uuid import NAMESPACE_URL, UUID, uuid4, uuid5
from zoneinfo import ZoneInfo

import pytest
from sqlalchemy import select

from activities.catalogue.models import Behaviour, Scene
from activities.events import Answer, Batch, Details, Event
from activities.intake import record
from activities.models import Consent, Household
from activities.participants import enrol

ZONE = ZoneInfo("Asia/Shanghai")
START = datetime(2026, 11, 20, 8, tzinfo=ZONE)
NOW = datetime(2026, 11, 21, 12, tzinfo=ZONE)
TOWNS = {"sh-2026": "310118001", "cd-2026": "510105002", "jx-2026": "330402007"}
OCTOBER = (datetime(2026, 10, 1, tzinfo=ZONE), datetime(2026, 11, 1, tzinfo=ZONE))
PHOTO = {"photo_sha256": "0" * 64}

# How much in how many seconds, with what details, and the mg in Shanghai, Chengdu and Jiaxing.
ACTS: dict[str, tuple[int, int, dict[str, Any], tuple[int, int, int] | int]] = {
    "walking": (
        # 8,000 steps × 0.02 g.
        8_000, 86_400, {"distance_m": 5_400, "active_s": 4_800}, 160_000,
    ),
    "shared_bike_ride": (1, 600, {"distance_m": 2_000}, 52_000),
    # 3 km × (162.72 g × 33.3 % − 10.95 g) = 129.70728 g.
    "shared_ebike_ride": (3_000, 700, {}, 129_707),
    "own_bike_ride": (3_000, 900, {}, 146_100),
    "own_ebike_ride": (3_000, 700, {}, 129_707),
    "metro_ride": (1, 1_800, {"distance_m": 12_000}, 46_000),
    "bus_ride": (1, 1_200, {"distance_m": 5_000}, 80_000),
    # 500 km × (135.52 g ÷ 2 − 35.46 g).
    "rail_trip": (500_000, 9_000, {}, 16_150_000),
    # 100 km × (167.25 g ÷ 2 − 27.76 g).
    "coach_trip": (100_000, 5_400, {}, 5_586_500),
    "car_stop_day": (1, 86_400, {"odometer_m": (900, 900), "distance_m": 0, **PHOTO}, 800_000),
    # 20 kWh × (0.71167 − 0.5849, 0.2472, 0.5617 kg).
    "ev_charge": (20_000, 3_600, {}, (2_535_400, 9_289_400, 2_999_400)),
    "kitchen_waste_sorted": (1_200, 10, {}, 120_060),
    "community_compost": (1_200, 60, {}, 120_060),
    # 2 kg of aluminium × 8.12082 × 90 %.
    "recyclables_delivered": (2_000, 20, {"material": "aluminium"}, 14_617_476),
    # 500 g of PET × 1.65 × 70 %.
    "beverage_container_returned": (500, 20, {"material": "pet"}, 577_500),
    "clothes_recycled": (3_000, 20, {}, 2_688_000),
    "parcel_carton_returned": (2, 0, {}, 74_000),
    "meal_box_recycled": (200, 20, {}, 177_100),
    "small_appliance_recycled": (2_000, 0, PHOTO, 1_060_020),
    # The city's mean 51,666 Wh × 3 persons, less 120,000 Wh: 34,998 Wh.
    "home_electricity": (120_000, 0, {}, (14_699_160, 4_913_719, 18_034_469)),
    "rooftop_pv": (300_000, 0, {}, (126_000_000, 42_120_000, 154_590_000)),
    "green_power_purchased": (1_000_000, 0, {}, (420_000_000, 140_400_000, 515_300_000)),
    "clean_plate": (1, 0, PHOTO, 144_000),
    "no_cutlery_order": (1, 0, {}, 23_000),
    "own_cup": (1, 0, {}, 40_000),
    "own_bag": (1, 0, {}, 5_000),
    "own_chopsticks": (1, 0, PHOTO, 20_000),
    "hotel_no_disposables": (1, 0, {}, 203_200),
    "vegetarian_meal": (1, 0, {}, 610_000),
    # Half a litre × 320.603 g × 50 %.
    "tap_water_refill": (500, 0, {}, 80_150),
    "paperless_bill": (1, 0, {}, 2_600),
    "near_expiry_food": (1_000, 0, {}, 740_280),
    "secondhand_phone": (1, 0, {}, 15_854_000),
    "secondhand_laptop": (1, 0, {}, 36_460_000),
    "secondhand_tablet": (1, 0, {}, 16_786_000),
    "secondhand_clothes": (500, 0, {}, 2_215_775),
    "small_appliance_reused": (2_000, 0, {}, 2_259_180),
    "large_appliance_reused": (50_000, 0, {}, 32_670_000),
}  # fmt: skip
WITHOUT_CITY_MEAN = {"home_gas": 12_000_000, "home_water": 9_000_000}


def an_act(scene: Scene, behaviour: Behaviour, holder_id: UUID) -> Event:
    """What an honest sender of the scene would say."""
    if behaviour.code in WITHOUT_CITY_MEAN:
        quantity, seconds, details = WITHOUT_CITY_MEAN[behaviour.code], 0, {}
    else:
        quantity, seconds, details, _ = ACTS[behaviour.code]
    start, end = START, START + timedelta(seconds=seconds)
    if behaviour.claimed_by == "day":
        start = START.replace(hour=0)
        end = start + timedelta(seconds=seconds)
    elif behaviour.claimed_by == "month":
        start, end = OCTOBER
    told = Details(
        place=TOWNS[scene.programme_code][:6],
        object_id=f"object-{uuid4()}",
        attested=scene.channel == "app",
        **details,
    )
    event_id = str(
        uuid5(NAMESPACE_URL, scene.code)
    )  # By the id the sample is drawn: the same ones.
    return Event(event_id, scene.code, holder_id, start, end, quantity, told)


def settled(session, scene: Scene) -> UUID:
    """A resident with a consent and a household of three."""
    holder_id = uuid4()
    enrol(session, scene.programme_code, {holder_id: TOWNS[scene.programme_code]}, now=NOW)
    session.add(
        Consent(
            holder_id=holder_id, scene_code=scene.code, given_at=OCTOBER[0],
            text_version=scene.consent_version, actor="resident",
        )
    )  # fmt: skip
    session.add(
        Household(
            holder_id=holder_id, valid_from=date(2026, 9, 1), persons=3,
            moved_in_on=date(2020, 1, 1), solar=False, tier=1, actor="resident", recorded_at=NOW,
        )
    )  # fmt: skip
    session.flush()
    return holder_id


@pytest.fixture
def answers(session, request) -> dict[str, tuple[Behaviour, Answer]]:
    """By scene of a programme, what its act came to."""
    query = (
        select(Scene, Behaviour)
        .join(Behaviour, Behaviour.code == Scene.behaviour_code)
        .where(Scene.programme_code == request.param)
    )
    scenes = list(session.execute(query).all())
    events = [an_act(scene, behaviour, settled(session, scene)) for scene, behaviour in scenes]
    given = record(session, Batch(events, "test", NOW))
    return {
        scene.code: (behaviour, answer)
        for (scene, behaviour), answer in zip(scenes, given, strict=True)
    }


@pytest.mark.parametrize("answers", list(TOWNS), indirect=True)
def test_an_honest_act_of_every_scene_saves_what_it_should(session, answers, request):
    programme = request.node.callspec.params["answers"]
    place = list(TOWNS).index(programme)
    wrong, sampled = {}, 0
    for scene, (behaviour, answer) in answers.items():
        if answer.code == "sampled":
            sampled += 1
            continue
        if behaviour.code in WITHOUT_CITY_MEAN:
            expected, codes = 0, {"no_method"}
        else:
            milligrams = ACTS[behaviour.code][3]
            expected = milligrams if isinstance(milligrams, int) else milligrams[place]
            codes = {"verified"}
        if answer.saved_mg_co2e != expected or answer.code not in codes:
            wrong[scene] = (answer.code, answer.saved_mg_co2e, expected)

    assert wrong == {}
    assert len(answers) == 60
    assert sampled < 10  # Drawn by lot: less than one is expected.
