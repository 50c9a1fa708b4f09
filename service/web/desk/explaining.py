"""An activity with its whole why, for who decides: evidence, rules, arithmetic, changes."""

from typing import Any

from flask_babel import gettext as _

from service.language import language
from service.web.desk.shapes import Drawn, Facts, Table
from service.web.desk.words import label


def why_parts(activity: dict[str, Any]) -> list[Any]:
    """Its parts: what it is, what was said besides, each rule, how it was quantified, what
    changed it later.
    """
    lang = language()
    shown = activity | {"reason": activity["reasons"][lang], "id": activity["id"]}
    facts = (
        "behaviour scene day started_at ended_at quantity decision reason points saved_mg_co2e"
        " trimmed_points acted_by event_id id"
    )
    parts: list[Any] = [Facts(_("活动"), _labelled(facts), shown)]
    if activity["details"]:
        parts.append(Facts(_("随附信息"), _details(activity["details"]), activity["details"]))
    rules = [
        {
            "title": one["title"][lang],
            "result": one["result"],
            "inputs": one["inputs"] or None,
            "parameters": one["parameters"],
            "rule": f"{one['rule']}@{one['version']}" if one["version"] else one["rule"],
            "document": one["document"],
        }
        for one in sorted(activity["rules"], key=_in_order)
    ]
    columns = [
        ("title", _("检查")),
        ("result", _("检查结果")),
        ("inputs", _("看到的")),
        ("parameters", _("要求")),
        ("rule", _("规则版本")),
        ("document", _("依据")),
    ]
    parts.append(Table(_("核证规则"), columns, rules))
    if activity["quantified"]:
        parts += _quantified(activity["quantified"], lang)
    if activity["adjustments"]:
        changed = [one | {"reason": one["reasons"][lang]} for one in activity["adjustments"]]
        columns = [
            ("recorded_at", _("时间")),
            ("decision", _("结论")),
            ("reason", _("说明")),
            ("note", _("记录的理由")),
            ("points", _("积分变化")),
            ("actor", _("操作人")),
            ("approved_by", _("批准人")),
        ]
        parts.append(Table(_("后来的变化"), columns, changed))
    return parts


def _in_order(one: dict[str, Any]) -> bool:
    """What decided comes first: the rules that are not simply passed, then the others."""
    return one["result"] in ("passed", "not_reached", "not_applicable")


def steps_part(steps: list[dict[str, Any]]) -> Drawn:
    """What was said and done so far, oldest first."""
    return Drawn("desk/steps.html", {"steps": steps})


def history_parts(history: dict[str, Any]) -> list[Any]:
    """What else the resident did lately."""
    counts = [("verified", _("已核证")), ("held", _("待复核")), ("rejected", _("未通过"))]
    return [
        Facts(_("这位居民的全部活动"), counts, history["counts"]),
        Table(
            _("最近的活动"),
            "day behaviour quantity decision points reason",
            history["recent"],
            empty=_("没有其他活动。"),
        ),
    ]


def _quantified(found: dict[str, Any], lang: str) -> list[Any]:
    factors = [one | {"name": one["name"][lang]} for one in found["factors"]]
    shown = {
        "rule": f"{found['method']['code']}@{found['method']['version']}",
        "document": found["method"]["document"],
        "quantity": found["quantity"],
        "base_unit": found["base_unit"],
        "saved_mg_co2e": found["saved_mg_co2e"],
        "points": found["tariff_points"],
        "mg_co2e_per_point": found["tariff"]["mg_co2e_per_point"],
    }
    pairs = [
        ("rule", _("方法学版本")),
        ("document", _("依据")),
        ("quantity", _("参与计算的数量")),
        ("base_unit", _("计量单位")),
        ("saved_mg_co2e", _("减排量（千克）")),
        ("mg_co2e_per_point", _("每积分对应（毫克 CO₂e）")),
        ("points", _("上限前积分")),
    ]
    columns = "name ug_co2e_per_unit share_permille published_value publisher document year"
    return [
        Facts(_("怎样算出来的"), pairs, shown),
        Table(_("用到的排放因子"), columns, factors),
    ]


def _labelled(names: str) -> list[tuple[str, Any]]:
    own = {"id": _("活动编号"), "acted_by": _("代为上报的人")}
    return [(name, own.get(name) or label(name)) for name in names.split()]


def _details(found: dict[str, Any]) -> list[tuple[str, Any]]:
    names = {
        "distance_m": _("距离（米）"),
        "active_s": _("活动时长（秒）"),
        "material": _("材料"),
        "object_id": _("对象编号"),
        "place": _("地点区划"),
        "device": _("设备"),
        "photo_sha256": _("照片指纹"),
        "odometer_m": _("里程前后（米）"),
        "attested": _("设备已证明可信"),
    }
    return [(name, names[name]) for name in names if name in found]
