"""What of two versions of a report is not the same: each published figure, before and after."""

from collections.abc import Iterator, Mapping

from service.districts.reports.contents import Content, Difference

_Place = tuple[str | None, str | None, str | None]  # Town, day or month, behaviour.
_OF_ROWS = ("activities", "saved_mg_co2e", "earned_points", "residents")
_OF_POINTS = ("spent_points", "expired_points", "vouchers")


def differences(before: Content, after: Content) -> list[Difference]:
    """In the order of towns, times, behaviours and measures; None: withheld there."""
    old, new = dict(_figures(before)), dict(_figures(after))
    found = []
    for place, measure in sorted(
        old.keys() | new.keys(), key=lambda key: ([each or "" for each in key[0]], key[1])
    ):
        # A row that is not there is nothing.
        was, now = old.get((place, measure), 0), new.get((place, measure), 0)
        if was != now:
            town, at, behaviour = place
            found.append(
                Difference(
                    town_code=town,
                    at=at,
                    behaviour_code=behaviour,
                    measure=measure,
                    before=was,
                    after=now,
                )
            )
    return found


def _figures(content: Content) -> Iterator[tuple[tuple[_Place, str], int | None]]:
    tables = ("by_town", "by_time", "by_behaviour", "town_totals", "time_totals")
    rows = [row for table in tables for row in content[table]]  # type: ignore[literal-required]
    for row in (*rows, content["total"]):
        place = row["town_code"], row["at"], row["behaviour_code"]
        figures: Mapping[str, int | None] = row["figures"] or {}
        for measure in _OF_ROWS:
            yield (place, measure), figures.get(measure)
    for line in (*content["points"], *content["points_by_time"]):
        place = line["town_code"], line["at"], None
        for measure in _OF_POINTS:
            value: int | None = line[measure]  # type: ignore[literal-required]
            yield (place, measure), value
