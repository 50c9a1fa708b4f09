"""Drafting a version: a form that begins as what is in force, and never decides by itself."""

from collections.abc import Callable
from typing import Any
from urllib.parse import quote

import msgspec
from flask import Response, abort, request, url_for
from flask_babel import gettext as _

from service.web.asking import Answer, ask, get
from service.web.desk import bp, codes
from service.web.desk.catalogue import all_rows, found, named
from service.web.desk.shapes import Facts, Field, Form, Note, Row, Typed
from service.web.desk.showing import page
from service.web.desk.words import label
from service.web.guards import page_for

_FACTOR = (
    "name_zh name_en published_value published_unit base_unit ug_co2e_per_unit publisher document"
    " year source_address confidence boundary"
)


@bp.route("/drafts/new/<string:kind>", methods=["GET", "POST"])
@page_for("operator")
def new_draft(kind: str) -> Response:
    """A new version, begun as the one that ``like`` names."""
    kinds: dict[str, Callable[[str], tuple[str, Facts, Form]]] = {
        "factor": _factor,
        "method": _method,
        "rule": _rule,
        "tariff": _tariff,
    }
    if kind not in kinds:
        abort(404)
    title, facts, form = kinds[kind](request.args.get("like", ""))
    return page(
        title,
        Note(_("起草不影响任何活动。另一位工作人员看过影响并批准以后才生效；起草后不能再改。")),
        form,
        facts,
        at="desk.drafts",
        back=(url_for("desk.drafts"), _("待批草案")),
    )


def _factor(like: str) -> tuple[str, Facts, Form]:
    one = found("/v1/catalogue/factors", "factors", code=like)
    fields = [Field("code", _("新代码"), hint=_("因子不改版本：换一个代码，再由方法学引用"))]
    for name in _FACTOR.split():
        kind = "choice" if name in codes.TERMS else "line"
        options = codes.options(name) if kind == "choice" else ()
        value = "" if name in ("document", "year", "source_address") else one[name]
        hint = _("1 克 = 1,000,000 微克") if name == "ug_co2e_per_unit" else ""
        fields.append(Field(name, label(name), kind, hint=hint, options=options, value=value))
    fields += _dates(one)

    def act(typed: Typed) -> Answer:
        return _draft(f"factor:{typed.body.pop('code', '')}", typed.body)

    facts = _facts("code published_value published_unit publisher year", one)
    return _("起草新因子：%(like)s", like=named(one)), facts, _form(fields, act)


def _method(like: str) -> tuple[str, Facts, Form]:
    one = _version("methods", like)
    copied = {"programme_code": one["programme"], "behaviour_code": one["behaviour"]}
    fields = []
    for name in ("factor", "actual_factor"):
        if one[name]:
            known = _factors(one[name]["base_unit"])
            code = one[name]["code"]
            fields.append(Field(f"{name}_code", label(name), "choice", options=known, value=code))
    share = Field("share_permille", label("share_permille"), value=one["share_permille"])
    fields += [share, *_dates(one), _document(), _next("methods", "method", one)]

    def act(typed: Typed) -> Answer:
        name = f"method:{one['code']}@{typed.body.pop('version', '')}"
        return _draft(name, copied | {"form": one["form"]} | typed.body)

    facts = _facts("programme behaviour form", one)
    return _("起草新版本：%(like)s", like=like), facts, _form(fields, act)


def _rule(like: str) -> tuple[str, Facts, Form]:
    one = _version("rules", like)
    copied = {"programme_code": one["programme"], "behaviour_code": one["behaviour"] or ""}
    asked = {name: value for name, value in one["parameters"].items() if name != "kind"}
    fields = [
        Field(
            f"parameter_{name}",
            label(name),
            "list" if isinstance(value, list) else "number" if isinstance(value, int) else "line",
            value=" ".join(map(str, value)) if isinstance(value, list) else value,
        )
        for name, value in asked.items()
    ]
    fields += [*_dates(one), _document(), _next("rules", "rule", one)]

    def act(typed: Typed) -> Answer:
        values = {name: typed.body.pop(f"parameter_{name}", None) for name in asked}
        values = {"kind": one["parameters"]["kind"]} | values
        parameters = msgspec.json.encode(values).decode()
        name = f"rule:{one['code']}@{typed.body.pop('version', '')}"
        return _draft(name, copied | {"parameters": parameters} | typed.body)

    facts = _facts("programme behaviour parameters", one)
    return _("起草新版本：%(like)s", like=like), facts, _form(fields, act)


def _tariff(like: str) -> tuple[str, Facts, Form]:
    programme, _at, day = like.rpartition("@")
    one = found("/v1/catalogue/tariffs", "tariffs", programme=programme, valid_from=day)
    amount = Field("mg_co2e_per_point", label("mg_co2e_per_point"), value=one["mg_co2e_per_point"])

    def act(typed: Typed) -> Answer:
        return _draft(f"tariff:{programme}@{typed.body.pop('valid_from', '')}", typed.body)

    form = _form([amount, *_dates(one), _document()], act)
    facts = _facts("programme mg_co2e_per_point", one)
    return _("起草积分标准：%(programme)s", programme=programme), facts, form


def _facts(names: str, one: Row) -> Facts:
    """What is in force, to be held against what is typed."""
    return Facts(_("现行的内容"), f"{names} document valid_from valid_to", one)


def _form(fields: list[Field], act: Callable[[Typed], Answer]) -> Form:
    return Form(
        "draft",
        _("新的内容"),
        act,
        _("起草"),
        fields,
        done="draft_written",
        goes=lambda answer: url_for("desk.draft", name=answer.body["name"]),
        confirm=_("起草后不能再改，有错要另起一版。内容和来源都核对过了？"),
    )


def _draft(name: str, values: dict[str, Any]) -> Answer:
    told = {column: str(value) for column, value in values.items()}
    return ask("PUT", f"/v1/catalogue/drafts/{quote(name)}", body={"values": told})


def _dates(one: Row) -> list[Field]:
    return [
        Field("valid_from", label("valid_from"), "day"),
        Field("valid_to", label("valid_to"), "day", False, value=one["valid_to"]),
    ]


def _document() -> Field:
    return Field("document", label("document"), hint=_("哪个单位的哪份文件，哪一年、哪一页"))


def _version(lists: str, like: str) -> Row:
    code, _at, version = like.rpartition("@")
    return found(f"/v1/catalogue/{lists}", lists, code=code, version=version)


def _next(lists: str, kind: str, one: Row) -> Field:
    """The number after all versions, approved or drafted; sent along, so a double tap is one."""
    versions = [
        each["version"]
        for each in all_rows(f"/v1/catalogue/{lists}", lists)
        if each["code"] == one["code"]
    ]
    start = f"{kind}:{one['code']}@"
    drafts = [each["name"] for each in get("/v1/catalogue/drafts")["drafts"]]
    versions += [int(name.removeprefix(start)) for name in drafts if name.startswith(start)]
    return Field("version", "", "hidden", value=max(versions) + 1)


def _factors(base_unit: str) -> list[tuple[str, str]]:
    """Those of a unit whose source was read, drafts too: a method may be drafted beside its own."""
    known = [
        (one["code"], f"{one['code']} {named(one)}")
        for one in all_rows("/v1/catalogue/factors", "factors")
        if one["base_unit"] == base_unit and one["confidence"] == "seen"
    ]
    drafts = [each["name"] for each in get("/v1/catalogue/drafts")["drafts"]]
    codes_drafted = [name.removeprefix("factor:") for name in drafts if name.startswith("factor:")]
    return [*known, *((code, _("%(code)s（草案）", code=code)) for code in codes_drafted)]
