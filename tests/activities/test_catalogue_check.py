"""The shipped catalogue is whole and its figures are those published; each slip is named."""

import csv
import shutil
from decimal import ROUND_CEILING, ROUND_FLOOR, Decimal
from pathlib import Path

import pytest

from activities.catalogue.checking import CATEGORIES, check_folder
from activities.catalogue.files import BUNDLED, FILES
from activities.errors import CatalogueRefused

PROGRAMMES = ("sh-2026", "cd-2026", "jx-2026")


def rows(name: str) -> list[dict[str, str]]:
    with (BUNDLED / name).open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


FACTORS = {row["code"]: row for row in rows("factors.csv")}


def test_the_shipped_catalogue_is_fine():
    found = check_folder()

    assert (found.problems, found.warnings) == ([], [])
    assert found.files == sum((BUNDLED / name).is_file() for name in FILES)
    assert found.rows > 46_000


def test_every_category_has_behaviours_and_each_a_method_in_each_programme():
    behaviours = {row["code"]: row["category"] for row in rows("behaviours.csv")}
    has_method = {(row["programme_code"], row["behaviour_code"]) for row in rows("methods.csv")}
    has_scene = {(row["programme_code"], row["behaviour_code"]) for row in rows("scenes.csv")}
    has_rule = {(row["programme_code"], row["behaviour_code"]) for row in rows("rules.csv")}
    each = {(programme, code) for programme in PROGRAMMES for code in behaviours}

    assert len(behaviours) >= 30
    assert set(behaviours.values()) == set(CATEGORIES)
    assert each <= has_method
    assert each <= has_scene
    assert each <= has_rule


def test_all_four_forms_are_in_use_in_each_programme():
    for programme in PROGRAMMES:
        forms = {row["form"] for row in rows("methods.csv") if row["programme_code"] == programme}
        assert forms == {"per_unit", "displaced", "mass", "own_baseline"}


def test_a_factor_that_was_not_seen_decides_nothing():
    recalled = {code for code, row in FACTORS.items() if row["confidence"] != "seen"}
    named = [row["factor_code"] for row in rows("methods.csv") + rows("method_materials.csv")]
    named += [row["actual_factor_code"] for row in rows("methods.csv")]

    assert recalled
    assert not recalled & set(named)


def test_the_three_cities_have_their_own_grid_factor():
    grids = {
        row["programme_code"]: FACTORS[row["factor_code"]]["published_value"]
        for row in rows("methods.csv")
        if row["behaviour_code"] == "home_electricity"
    }

    assert grids == {"sh-2026": "0.42", "cd-2026": "0.1404", "jx-2026": "0.5153"}


def test_the_default_grants_the_least_of_what_sources_say():
    """Where sources of one unit conflict; the others stand beside it."""
    chosen = {(row["programme_code"], row["behaviour_code"]): row for row in rows("methods.csv")}
    for behaviour, others in {
        "metro_ride": ("METRO_TRIP.WH", "METRO_TRIP.GZ_MEAN", "METRO_TRIP.GZ_SUB"),
        "bus_ride": ("BUS_TRIP.WH",),
        "kitchen_waste_sorted": ("SORT_MSW.QD_LANDFILL", "SORT_FOOD.UK_LANDFILL", "SORT_FOOD.EPA"),
        "clean_plate": ("CLEAN_PLATE.BJ",),
        "home_gas": ("HOME_GAS.UK",),
        "home_water": ("HOME_WATER.UK",),
        "clothes_recycled": ("RECYCLE_CLOTHES.BIR",),
        "vegetarian_meal": ("VEG_MEAL.FR",),
    }.items():
        for programme in PROGRAMMES:
            default = FACTORS[chosen[programme, behaviour]["factor_code"]]
            assert int(default["ug_co2e_per_unit"]) < min(
                int(FACTORS[code]["ug_co2e_per_unit"]) for code in others
            )


def test_the_city_baseline_is_a_month_of_the_low_season():
    """5 kWh a household-day, of 3 persons: 5000 Wh × 31 ÷ 3; in July 8 kWh."""
    by_month = {
        (row["programme_code"], row["month"]): int(row["quantity_per_person"])
        for row in rows("city_baselines.csv")
    }

    assert len(by_month) == 3 * 12
    for programme in PROGRAMMES:
        assert by_month[programme, "5"] == 51_666
        assert by_month[programme, "7"] == 82_666


@pytest.mark.parametrize(
    ("code", "published", "grams", "units", "rounding"),
    [
        # A published figure in grams per so many base units.
        ("P_GRID.CN2022_SC", "0.1404", 1000, 1000, ROUND_FLOOR),  # kg/kWh, in Wh
        ("METRO_PKM.SZ", "46.7", 1, 1000, ROUND_FLOOR),  # g/km, in m
        ("METRO_TRIP.BJ", "46", 1, 1, ROUND_FLOOR),  # g a trip
        ("CAR_EF.UK_PETROL", "0.16272", 1000, 1000, ROUND_FLOOR),  # kg/km
        ("EBIKE_EF.FR", "0.01095", 1000, 1000, ROUND_CEILING),  # kg/km of its own
        ("SORT_MSW.QD_INCIN", "0.10005", 1000, 1000, ROUND_FLOOR),  # kg/kg, in g
        ("RECYCLE_ALU.UK", "8.12082", 1000, 1000, ROUND_FLOOR),
        ("HOME_GAS.EPA", "1.9225", 1000, 1_000_000, ROUND_FLOOR),  # kg/m³, in ml: 1922.5
        ("HOME_WATER.UK", "0.36218", 1000, 1_000_000, ROUND_FLOOR),  # 362.18
        ("TAP_WATER.FR", "0.320603", 1000, 1000, ROUND_FLOOR),  # kg/L
        ("VIDEO_MEETING.FR", "0.0571", 1000, 3600, ROUND_CEILING),  # kg/h of its own: 15861.1
        ("SECONDHAND_LAPTOP.FR", "182.3", 1000, 1, ROUND_FLOOR),
    ],
)
def test_factors_are_micrograms_of_what_was_published(code, published, grams, units, rounding):
    exact = Decimal(published) * grams * 1_000_000 / units

    assert FACTORS[code]["published_value"] == published
    assert int(FACTORS[code]["ug_co2e_per_unit"]) == exact.to_integral_value(rounding)


# --- What is refused ------------------------------------------------------------------------------


@pytest.fixture
def folder(tmp_path) -> Path:
    """A small catalogue of its own; what it does not hold is in the bundled files."""
    shutil.copytree(Path(__file__).parent / "catalogue", tmp_path / "city")
    return tmp_path / "city"


def told(folder: Path) -> str:
    return "\n".join(check_folder(folder, feed_formats={"native"}).problems)


def test_a_city_of_few_files_is_fine(folder):
    found = check_folder(folder, feed_formats={"native"})

    assert (found.problems, found.warnings) == ([], [])


@pytest.mark.parametrize(
    ("name", "old", "new", "problem"),
    [
        # Sources and ranges.
        ("factors.csv", "示范来源", "", "factors.csv line 2: publisher is empty"),
        ("factors.csv", "example.org/bus", " ", "factors.csv line 2: source_address is empty"),
        ("factors.csv", "example.org/bus", "no source seen", "line 2: it is said to be seen"),
        ("factors.csv", "1900,ml,1.9,", "190,ml,0.19,", "line 4: 190 µg per ml is not plausible: "),
        ("factors.csv", "1900,ml,1.9,", "2500,ml,2.5,", "line 4: 2500 µg per ml is not plausible"),
        ("factors.csv", "600000,Wh,0.6,", "1200000,Wh,1.2,", "line 3: 1200000 µg per Wh is not"),
        ("factors.csv", "600000,Wh,0.6,", "600,Wh,0.0006,", "0.05 to 1.1 kg/kWh is"),
        ("factors.csv", "85000000,count", "85000,count", "line 2: 85000 µg per count is not"),
        ("factors.csv", "30000,m,0.03,", "30000000,m,30,", "line 6: 30000000 µg per m is not"),
        ("factors.csv", "1200000,g,1.2,", "1200,g,1.2,", "line 7: 1.2 kgCO2e/kg is 1200000 µg per"),
        ("factors.csv", "85000000,count", "86000000,count", "line 2: 85 gCO2e/trip is 85000000"),
        ("factors.csv", "85000000,count", "99999999999999999999,count", "it is too large"),
        ("factors.csv", ",seen,reduction: a ride", ",heard,reduction", "line 2: confidence is 'he"),
        # Dimensions.
        ("factors.csv", "600000,Wh", "600000,m", "factors.csv line 3: wrong dimensions: a grid's"),
        ("factors.csv", "1900,ml", "1900,g", "factors.csv line 4: wrong dimensions: gas is per ml"),
        ("factors.csv", "30000,m", "30000,g", "line 6: wrong dimensions: published per km, counte"),
        ("methods.csv", "per_unit,X.BUS", "per_unit,X.RAIL", "line 2: wrong dimensions: the facto"),
        ("methods.csv", "per_unit,X.BUS", "per_unit,X.SEEN_NOT", "line 2: the source of X.SEEN_NO"),
        ("methods.csv", "X.CAR,2026", "X.RAIL,2026", "line 3: it saves nothing: 500 permille"),
        ("methods.csv", ",X.RAIL,500", ",X.RAIL,100", "methods.csv line 3: it saves nothing"),
        ("methods.csv", ",X.RAIL,500", ",,500", "line 3: actual_factor_code belongs to the form d"),
        ("methods.csv", ",X.RAIL,500", ",X.GRID,500", "line 3: wrong dimensions: the factor X.GRI"),
        ("methods.csv", "mass,,", "mass,X.GLASS,", "line 4: factor_code belongs to every form but"),
        ("methods.csv", "clothes_recycled,mass", "bus_ride,mass", "line 4: wrong dimensions: the "),
        ("methods.csv", "home_gas,own", "bus_ride,own", "line 5: an own baseline is by month"),
        ("methods.csv", "own_baseline,X.GAS", "guess,X.GAS", "line 5: form is 'guess', none of"),
        ("methods.csv", ",X.RAIL,500", ",X.RAIL,1001", "line 3: share_permille is 1001, not from"),
        ("methods.csv", "per_unit,X.BUS", "per_unit,HOTEL_NIGHT.UK_CN", "is no reduction: baselin"),
        ("methods.csv", "per_unit,X.BUS", "per_unit,SECONDHAND_PHONE.FR", "needs a substitution"),
        ("method_materials.csv", "X.GLASS", "X.BUS", "method_materials.csv line 2: wrong dimensio"),
        ("method_materials.csv", "xx.clothes,1", "xx.bus,1", "methods.csv line 2: materials belon"),
        ("method_materials.csv", "xx.clothes,1", "xx.bus,1", "methods.csv line 4: materials belon"),
        # Validity.
        ("methods.csv", "2026-01-01,2027-01-01", "2026-01-01,2025-01-01", "line 2: valid_to 2025-"),
        ("scenes.csv", "2029-01-01", "2026-01-01", "scenes.csv line 2: approved_to 2026-01-01 is "),
        ("tariffs.csv", "2027-01-01,,", "2026-06-01,,", "tariffs.csv line 3: its validity overlap"),
        ("city_baselines.csv", ",12,2026", ",11,2026", "city_baselines.csv line 13: xx-2026 home_"),
        ("city_baselines.csv", ",12,2026", ",11,2026", "its year lacks month 12"),
        ("city_baselines.csv", ",12,2026", ",13,2026", "line 13: month is 13, not from 1 to 12"),
        # References.
        ("methods.csv", "per_unit,X.BUS", "per_unit,X.NONE", "line 2: factor_code: X.NONE is unkn"),
        ("methods.csv", "xx-2026,bus_ride", "xx-2025,bus_ride", "line 2: programme_code: xx-2025 "),
        ("methods.csv", "xx-2026,bus_ride", "xx-2026,flying", "line 2: behaviour_code: flying is"),
        ("method_materials.csv", "xx.clothes,1", "xx.clothes,9", "method_code and version: xx.clo"),
        ("scenes.csv", "xx-bus,bus", "xx-air,bus", "scenes.csv line 2: partner_code: xx-air is"),
        ("scenes.csv", "native", "foreign", "line 2: feed_format 'foreign' is unknown"),
        ("scenes.csv", "operator,1", "neighbour,1", "line 2: channel is 'neighbour', none of oper"),
        ("rules.csv", "xx-2026,,", "no-2026,,", "rules.csv line 2: programme_code: no-2026 is unk"),
        ("rules.csv", '[""3306""]', '[""9999""]', "rules.csv line 5: parameters: division 9999 is"),
        ("expiry_policies.csv", "00002026", "00002027", "issuer_id is no programme's holder_id"),
        ("programmes.csv", "00002026", "00002027", "expiry_policies.csv line 2: issuer_id"),
        ("programmes.csv", "Asia/Shanghai", "Asia/Shaoxing", "line 2: zone 'Asia/Shaoxing' is unk"),
        # Scenes and rules.
        ("scenes.csv", "1,不得重复计入", "1,", "scenes.csv line 2: exclusions is empty"),
        ("consent_texts.csv", "operator,1", "operator,2", "xx.bus.operator asks for consent to te"),
        ("consent_texts.csv", "operator,1", "operator,0", "line 2: version is 0, not from 1 to 1"),
        ("consent_texts.csv", "xx.bus", "xx.tram", "scene_code: xx.tram.operator is unknown in "),
        ("consent_texts.csv", ",Shaoxing bus sends", ",", "texts.csv line 2: text_en is empty"),
        ("consent_texts.csv", ",绍兴公交送来", ",", "texts.csv line 2: text_zh is empty"),
        ("consent_texts.csv", "绍兴公交", "公交" * 5_001, "text_zh has more than 10000 characters"),
        ("rules.csv", "shared_device", "shared_phone", "rules.csv line 2: parameters: Invalid val"),
        ("rules.csv", '""holders"": 4', '""holders"": 0', "rules.csv line 2: parameters: Expected"),
        ("rules.csv", '""holders"": 4', '""people"": 4', "rules.csv line 2: parameters: Object"),
        ("rules.csv", '""max_s"": 9000', '""max_s"": 9', "line 3: parameters: min_s is above max_"),
        ("rules.csv", "no_overlap", "attestation_required", "line 6: min_interval needs no_overla"),
        ("rules.csv", '""month""', '""week""', "rules.csv line 9: a cap by week does not nest in"),
        ("rules.csv", "xx.bus.cap,1", "xx.bus.overlap,2", "rules.csv line 6: min_interval needs n"),
        ("rules.csv", "xx.bus.cap,1,xx-2026,bus", "xx.all.cap,2,xx-2026,bus", "is of another beh"),
        # Files.
        ("rules.csv", "xx.bus.cap,1", "xx.bus.gap,1", "line 8: xx.bus.gap 1 stands twice, first i"),
        ("rules.csv", '""kind"": ""no_overlap""}"', '""kind"": ""no_overlap""}', "rules.csv line "),
        ("partners.csv", "Bus\n", "Bus,more\n", "partners.csv line 2: it has more fields than"),
        ("partners.csv", "code,name_zh", "code,code,name_zh", "partners.csv: column code stands t"),
        ("partners.csv", "Bus", "Bus\0", "partners.csv line 2"),
    ],
)  # fmt: skip
def test_a_slip_is_named_with_file_and_line(folder, name, old, new, problem):
    path = folder / name
    text = path.read_text(encoding="utf-8")
    assert old in text
    path.write_text(text.replace(old, new), encoding="utf-8")

    assert problem in told(folder)


@pytest.mark.parametrize(
    ("name", "row"),
    [
        # A version follows another while that one still holds; a tariff follows an open one.
        ("methods.csv", "xx.bus,2,xx-2026,bus_ride,per_unit,X.BUS,2026-06-01,,示范,,900"),
        ("tariffs.csv", "xx-2026,2028-01-01,,2000,示范"),
        ("rules.csv", 'xx.bus.range,2,xx-2026,bus_ride,"{""kind"": ""velocity"",'
         ' ""acts_a_day"": 9}",2026-06-01,,示范'),
    ],
)  # fmt: skip
def test_what_follows_another_is_fine(folder, name, row):
    with (folder / name).open("a", encoding="utf-8") as file:
        file.write(row + "\n")

    assert told(folder) == ""


def test_districts_do_not_merge_in_a_circle(folder):
    (folder / "division_merges.csv").write_text(
        "code,into_code,merged_on,document\n"
        "330602,330603,2026-01-01,示范\n330603,330604,2026-02-01,示范\n"
        "330604,330602,2026-03-01,示范\n330681,330602,2026-03-01,示范\n",
        encoding="utf-8",
    )

    assert told(folder).splitlines() == [
        f"division_merges.csv line {line}: {code} comes to merge into itself"
        for line, code in ((2, 330602), (3, 330603), (4, 330604))
    ]


def test_a_method_that_outlives_its_factor_is_a_warning(folder):
    path = folder / "factors.csv"
    text = path.read_text(encoding="utf-8")
    path.write_text(text.replace("a ride,2020-01-01,", "a ride,2026-02-01,"), encoding="utf-8")

    found = check_folder(folder)

    assert found.problems == []
    assert found.warnings == [
        "methods.csv line 2: it holds on days on which the factor X.BUS does not"
    ]


def test_a_scene_without_a_method_is_a_warning(folder):
    path = folder / "scenes.csv"
    text = path.read_text(encoding="utf-8")
    path.write_text(text.replace("xx-bus,bus_ride", "xx-bus,walking"), encoding="utf-8")

    assert check_folder(folder).warnings == [
        "scenes.csv line 2: its programme has no method for walking"
    ]


def test_not_a_text_or_not_a_gzip_file_is_named(folder):
    (folder / "partners.csv").write_bytes(b"code,name_zh,name_en\nx,\xff,y\n")
    (folder / "divisions.csv.gz").write_bytes(b"no gzip")

    assert "partners.csv: 'utf-8' codec" in told(folder)
    assert "divisions.csv.gz: Not a gzipped file" in told(folder)


def test_an_empty_folder_is_refused(tmp_path):
    with pytest.raises(CatalogueRefused, match="holds none of"):
        check_folder(tmp_path)
