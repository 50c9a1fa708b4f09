"""``tanhui routes``: who may call which route, and what they reach there, read from the routes.

docs/roles.md is what this prints as markdown.
"""

import inspect
import re
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import Any

import click
import msgspec
from flask import Flask

from service import authorisation
from service.app import mount
from service.auth import GUARDIAN, IN_PERSON, KEY, SIGNATURE
from service.authorisation import ORDER, OWN, SHARED, Extent
from service.language import Text
from service.printing import table

NAMES = {
    "resident": Text("居民", "resident"),
    "merchant": Text("商户店员", "a merchant's clerk"),
    "merchant_manager": Text("商户管理员", "a merchant's manager"),
    "partner": Text("接入方", "partner"),
    "operator": Text("运营人员", "operator"),
    "auditor": Text("审计人员", "auditor"),
    "district_officer": Text("区县人员", "district officer"),
    "volunteer": Text("志愿者", "volunteer"),
    "administrator": Text("管理员", "administrator"),
    KEY: Text("系统密钥", "a system's key"),
    SIGNATURE: Text("接入方签名", "a partner's signature"),
}
ACTING = {
    "read": Text("可查看的代办人", "delegates who may read"),
    "spend": Text("可使用积分的代办人", "delegates who may spend"),
    GUARDIAN: Text("仅监护人", "guardians only"),
    IN_PERSON: Text("须本人", "nobody"),
}
_HEAD = """\
# 角色与权限 · Roles and routes

哪个角色可以调用哪个接口、能看到哪些数据，都写在接口上，并只在 `service/authorisation.py` 一处判定；
本页由 `tanhui routes --format markdown > docs/roles.md` 从代码生成，测试保证两者一致。

Which role may call which route, and which rows it reaches there, is said at the route and decided
in one place, `service/authorisation.py`. This page is the output of `tanhui routes --format
markdown`; a test compares them.

- 授权由角色、项目（`*` 为全部）和区划前缀组成；区划 `310118` 的授权只看得到 `310118…`。
  A grant is a role in a programme (`*`: all) and within a division's prefix: one of `310118` sees
  `310118…` only. A merchant's grant is for one merchant.
- 范围以外的数据与不存在的数据回答相同（404），猜编号一无所获。
  What is out of reach is answered like what does not exist, so that guessing ids tells nothing.
- 区县报告汇总该区县的全部居民，不分项目：按项目另出的表与总表相减，会暴露小项目的居民。
  A district's report is of all its residents, whatever their programme: a table of one programme,
  taken from that of all, would show the residents of a small one.
- 场景不分区划：项目的授权即可查看；停用或终止须不限区划的授权。
  A scene has no division: a grant in its programme sees it; to suspend or end it takes one that is
  bound to no division.
- 管理员只管理人员、授权和密钥，看不到任何居民。
  An administrator has staff, grants and keys, and sees no resident.
"""


@dataclass(frozen=True, slots=True)
class Route:
    """One method of one route. ``extents`` names what each role reaches there; with none the route
    is open to anybody. ``acting``: who may act there for a resident, a key of ``ACTING``; "" where
    no resident calls. ``key_scope``: what a key must be for; "" where keys have no say.
    """

    method: str
    route: str
    extents: dict[str, str]
    acting: str
    key_scope: str
    summary: str


@click.command(epilog="Example: tanhui routes --format markdown > docs/roles.md")
@click.option(
    "--format",
    "shape",
    type=click.Choice(["text", "markdown", "json"]),
    default="text",
    help="A table for the terminal (default), docs/roles.md, or JSON.",
)
def command(shape: str) -> None:
    """Each route: who may call it, and what they reach there. Asks no server."""
    found = every_route()
    if shape == "markdown":
        click.echo(markdown(found), nl=False)
    elif shape == "json":
        click.echo(msgspec.json.format(msgspec.json.encode({"routes": list(map(asdict, found))})))
    else:
        rows = (
            (each.method, each.route, _words(each), each.acting, each.summary) for each in found
        )
        click.echo(table(("method", "route", "who: what they reach", "acting", "does"), rows))


def every_route() -> list[Route]:
    """Of all routes, by path and method."""
    app = Flask("routes")
    mount(app)
    return sorted(_routes(app), key=lambda each: (each.route, each.method))


def _routes(app: Flask) -> Iterator[Route]:
    for rule in app.url_map.iter_rules():
        if rule.endpoint == "static":
            continue
        answering = app.view_functions[rule.endpoint]
        if hasattr(answering, "page_for"):  # What a page asks is among the routes.
            continue
        for method in sorted((rule.methods or set()) - {"HEAD", "OPTIONS"}):
            view_class = getattr(answering, "view_class", None)
            view = getattr(view_class, method.lower()) if view_class else answering
            yield _route(method, re.sub("<(?:[^:<>]+:)?([^<>]+)>", r"{\1}", rule.rule), view)


def _route(method: str, path: str, view: Any) -> Route:
    roles: tuple[str, ...] = view.authentication
    within: Extent = getattr(view, "within", OWN)
    extents = {role: _reach(role, within) for role in NAMES if role in roles}
    acting = (view.acting or GUARDIAN) if "resident" in roles else ""
    summary = " ".join((inspect.getdoc(view) or "").partition("\n\n")[0].split())
    return Route(method, path, extents, acting, getattr(view, "key_scope", ""), summary)


def _reach(role: str, within: Extent) -> str:
    """Residents see their own, whatever staff reach there; a signature is for its scene, the
    gateway's for the order that it names.
    """
    if role == SIGNATURE:
        return within.name if within is ORDER else authorisation.SCENE.name
    return OWN.name if role == "resident" and within is not SHARED else within.name


def _words(route: Route) -> str:
    return ", ".join(f"{role}: {extent}" for role, extent in route.extents.items()) or "anybody"


def markdown(found: list[Route]) -> str:
    """The page docs/roles.md."""
    roles = tuple(NAMES)
    lines = [_HEAD, "## 角色 · Roles\n", "| | 角色 | role |", "|---|---|---|"]
    lines += [f"| `{role}` | {NAMES[role].zh} | {NAMES[role].en} |" for role in roles]
    lines += ["\n## 范围 · What they reach\n", "| | 范围 | extent |", "|---|---|---|"]
    lines += [f"| {one.name} | {one.says.zh} | {one.says.en} |" for one in _extents()]
    lines += ["\n## 代办 · Who may act for a resident\n", "| | 代办 | acting |", "|---|---|---|"]
    lines += [f"| {name} | {says.zh} | {says.en} |" for name, says in ACTING.items()]
    lines += ["\n## 接口 · Routes\n", "空格：不可调用。An empty cell: the role may not call it.\n"]
    heads = ["接口 route", *(f"{NAMES[role].zh}<br>{role}" for role in roles), "代办 acting"]
    lines += [_row([*heads, "密钥范围 key scope", "作用 what it does"])]
    lines += [_row(["---"] * (len(roles) + 4))]
    for one in (each for each in found if each.extents):
        cells = [one.extents.get(role, "") for role in roles]
        name = f"`{one.method} {one.route}`"
        lines += [_row([name, *cells, one.acting, one.key_scope, one.summary.replace("|", "\\|")])]
    lines += ["\n## 公开 · Open to anybody\n", _row(["接口 route", "作用 what it does"])]
    lines += [_row(["---"] * 2)]
    lines += [_row([f"`{e.method} {e.route}`", e.summary]) for e in found if not e.extents]
    return "\n".join(lines) + "\n"


def _row(cells: list[str]) -> str:
    return f"| {' | '.join(cells)} |"


def _extents() -> list[Extent]:
    """In the order in which the module has them, each name once."""
    found = [each for each in vars(authorisation).values() if isinstance(each, Extent)]
    return list({each.name: each for each in reversed(found)}.values())[::-1]
