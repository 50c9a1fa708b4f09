"""What is another in this version of a report than in the one before."""

from service.districts.rendering.cells import at, kilograms, text, whole
from service.districts.rendering.model import Cell, Column, Line, Section, Table, Words
from service.districts.reports.contents import Content, Difference

_MEASURES = {
    "activities": ("行为次数", "activities"),
    "residents": ("居民", "residents"),
    "saved_mg_co2e": ("千克 CO₂e", "kg CO₂e"),
    "earned_points": ("发放积分", "points earned"),
    "spent_points": ("使用积分", "points spent"),
    "expired_points": ("过期积分", "points expired"),
    "vouchers": ("券", "vouchers"),
}


def changes(content: Content, words: Words) -> list[Section]:
    """What is another than in the version before, and what was carried over."""
    if content["previous"] is None:
        return []
    towns = {town["code"]: town["name"] for town in content["towns"]}
    names = names_of(content, words)
    lines = tuple(
        Line((*_place(one, towns, names, words), *_before_after(one, words)))
        for one in content["differences"]
    )
    columns = (
        Column(words("街镇", "Town"), 5),
        Column(words("时间", "When"), 4),
        Column(words("行为", "Behaviour"), 5),
        Column(words("数据项", "Measure"), 4),
        Column(words("原为", "Before"), 4, numeric=True),
        Column(words("现为", "Now"), 4, numeric=True),
    )
    caption = words("与上一版不同的数", "Figures that differ from the version before")
    sentences = []
    if carried := content["carried"]:
        told = words("、", ", ").join(names.get(one["code"], one["code"]) for one in carried)
        sentences.append(
            words(
                f"沿用上一版的数（变动可归于少于 10 名居民）：{told}。",
                "Carried over from the version before, because the changes could be told of fewer"
                f" than 10 residents: {told}.",
            )
        )
    if not lines:
        sentences.append(words("没有不同的数。", "No figure differs."))
    tables = (Table(caption, columns, lines),) if lines else ()
    heading = words("与上一版的差异", "Differences from the version before")
    return [Section("differences", heading, tuple(sentences), tables=tables)]


def _place(
    one: Difference, towns: dict[str, str], names: dict[str, str], words: Words
) -> tuple[Cell, ...]:
    everything = words("全部", "all")
    measure = words(*_MEASURES.get(one["measure"], (one["measure"], one["measure"])))
    behaviour = one["behaviour_code"]
    return (
        text(towns.get(one["town_code"] or "", one["town_code"] or everything)),
        text(at(one["at"], words) if one["at"] else everything),
        text(names.get(behaviour, behaviour) if behaviour else everything),
        text(measure),
    )


def _before_after(one: Difference, words: Words) -> tuple[Cell, Cell]:
    def told(value: int | None) -> Cell:
        if one["measure"] == "saved_mg_co2e" and value is not None:
            return kilograms(value)
        return whole(value, words)

    return told(one["before"]), told(one["after"])


def names_of(content: Content, words: Words) -> dict[str, str]:
    """What behaviours and measures are called."""
    names = {code: words(*both) for code, both in _MEASURES.items()}
    for each in content["behaviours"]:
        names[each["code"]] = words(each["name_zh"], each["name_en"])
    return names
