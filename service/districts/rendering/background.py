"""What stands around a report's figures: whose they are, their indicators, sources and proof."""

from typing import Any, cast

from service.districts.plans.observed import observed
from service.districts.plans.progress import COMPARISONS, STATES, amount
from service.districts.rendering.cells import instant, period, text, thousandths
from service.districts.rendering.changes import names_of
from service.districts.rendering.model import Cell, Column, Line, Section, Table, Words
from service.districts.reports.contents import Content


def about(content: Content, words: Words) -> Section:
    """Whose figures, of which period, as of when."""
    division, checkpoint, before = content["division"], content["checkpoint"], content["previous"]
    facts = [
        (words("区县", "District"), f"{division['name']}（{division['code']}）"),
        (
            words("期间", "Period"),
            words(
                f"{period(content['period'], words)}（{content['first_day']} 至"
                f" {content['last_day']}）",
                f"{period(content['period'], words)} ({content['first_day']} to"
                f" {content['last_day']})",
            ),
        ),
        (words("版本", "Version"), f"{content['version']}"),
        (words("数据截至", "As of"), instant(content["as_of"], words)),
        (words("出具时间", "Issued at"), instant(content["issued_at"], words)),
        (
            words("账本日志", "Ledger’s log"),
            words(f"前 {content['log_size']:,} 条转账", f"first {content['log_size']:,} transfers"),
        ),
    ]
    if merged := [code for code in content["divisions"] if code != division["code"]]:
        facts.insert(1, (words("含并入的区县", "With districts merged in"), "、".join(merged)))
    if checkpoint is not None:
        told = f"{checkpoint['origin']} · {checkpoint['size']:,} · {checkpoint['root']}"
        facts.append((words("日志检查点", "Log checkpoint"), told))
    if before is not None:
        told = f"{before['version']} · SHA-256 {before['sha256']}"
        facts.append((words("替代版本", "Replaces version"), told))
    if content["reason"] is not None:
        facts.append((words("重新出具的理由", "Reason for reissue"), content["reason"]))
    return Section("about", words("报告信息", "About this report"), facts=tuple(facts))


def legend(content: Content, words: Words) -> Section:
    """How figures are to be read, before the first of them."""
    said = [
        words("“未公布”：该数或可推出它的数涉及少于 10 名居民。",
              "“withheld”: fewer than 10 residents stand behind the figure, or it would give such a"
              " figure away."),
        words("“†”：合计只加已公布的数，未含被隐去的数，因此是下限。",
              "“†”: a sum of published figures only; what is withheld is not in it, so it is a"
              " lower bound."),
        words("居民数向下取整到十，“<10”为 1 至 9 人；千克向下取到克。未列出的为零。",
              "Residents are rounded down to tens, “<10” is 1 to 9; kilograms are rounded down to"
              " the gram. What is not listed is zero."),
        words("数据来自平台注册居民，不代表全体居民。",
              "The figures are of registered residents on the platform, not of the population."),
    ]  # fmt: skip
    said += [words(note["zh"], note["en"]) for note in content["notes"]]
    return Section("legend", words("如何阅读", "How to read it"), tuple(dict.fromkeys(said)))


def indicators(content: Content, words: Words) -> list[Section]:
    """Targets against what was reported; and, apart from them, what the platform sees."""
    told = cast(dict[str, Any], content.get("indicators") or {})
    seen = cast(list[dict[str, Any]], told.get("observed") or observed(content))
    return [*_targets(told.get("targets") or [], words), _observed(seen, words)]


def _targets(rows: list[dict[str, Any]], words: Words) -> list[Section]:
    if not rows:
        return []
    plans = list(dict.fromkeys(_plan(row, words) for row in rows))
    lines = tuple(
        Line(
            (
                text(words(row["name_zh"], row["name_en"])),
                text(str(row["year"])),
                text(_wanted(row, words)),
                _latest(row, words),
                text(words.of(STATES[row["state"]])),
            )
        )
        for row in rows
    )
    columns = (
        Column(words("指标", "Indicator"), 8),
        Column(words("年份", "Year"), 2, numeric=True),
        Column(words("目标", "Target"), 5),
        Column(words("最近填报", "Last reported"), 5),
        Column(words("进展", "Progress"), 3),
    )
    caption = words("规划目标与区县填报的数据", "Plan targets and what the district reported")
    names = [(words(r["name_zh"], r["name_en"]), r["year"]) for r in rows]
    said = [
        f"{name}（{year}）：{row['sentence_zh']}" if not words.english
        else f"{name} ({year}): {row['sentence_en']}"
        for (name, year), row in zip(names, rows, strict=True)
    ]  # fmt: skip
    sentences = (
        words("规划：", "Plans: ") + words("；", "; ").join(plans) + words("。", "."),
        *said,
    )
    heading = words("规划目标进展", "Progress against plan targets")
    return [Section("targets", heading, sentences, tables=(Table(caption, columns, lines),))]


def _plan(row: dict[str, Any], words: Words) -> str:
    clause = f" {row['clause']}" if row["clause"] else ""
    issued = words(f"，{row['issued_on']}", f", {row['issued_on']}") if row["issued_on"] else ""
    return f"{row['plan']}{clause}{issued}"


def _wanted(row: dict[str, Any], words: Words) -> str:
    value = words.of(amount(row["target_thousandths"], row["unit"]))
    return f"{words.of(COMPARISONS[row['comparison']])} {value}"


def _latest(row: dict[str, Any], words: Words) -> Cell:
    latest = row["latest"]
    if latest is None:
        return text("—")
    value = words.of(amount(latest["value_thousandths"], row["unit"]))
    return text(words(f"{value}（{latest['period']}）", f"{value} ({latest['period']})"))


def _observed(rows: list[dict[str, Any]], words: Words) -> Section:
    lines = tuple(
        Line(
            (
                text(words(row["name_zh"], row["name_en"])),
                thousandths(row["value_thousandths"], words),
                text(words(row["unit_zh"], row["unit_en"])),
            )
        )
        for row in rows
    )
    columns = (
        Column(words("指标", "Indicator"), 9),
        Column(words("数值", "Value"), 3, numeric=True),
        Column(words("单位", "Unit"), 4),
    )
    caption = words("平台观测（注册居民）", "Observed on the platform (registered residents)")
    said = tuple(words(row["sentence_zh"], row["sentence_en"]) for row in rows)
    heading = words("平台观测指标", "Platform-observed indicators")
    first = words("以下指标不与规划目标相比较。", "These are not compared with any plan’s target.")
    return Section("observed", heading, (first, *said), tables=(Table(caption, columns, lines),))


def methods(content: Content, words: Words) -> Section:
    """By which methods and factors the figures were quantified, each with its source."""
    names = names_of(content, words)
    lines = tuple(
        Line(
            (
                text(names.get(method["behaviour_code"], method["behaviour_code"])),
                text(f"{method['code']} v{method['version']}"),
                text(f"{factor['code']}：{factor['published_value']} {factor['published_unit']}"),
                text(f"{factor['publisher']}，{factor['document']}（{factor['year']}）"),
            )
        )
        for method in content["methods"]
        for factor in method["factors"]
    )
    columns = (
        Column(words("行为", "Behaviour"), 4),
        Column(words("方法", "Method"), 5),
        Column(words("因子", "Factor"), 7),
        Column(words("来源", "Source"), 10),
    )
    caption = words("期内有效的方法与排放因子", "Methods and factors in force in the period")
    heading = words("方法与因子", "Methods and factors")
    tables = (Table(caption, columns, lines),) if lines else ()
    return Section("methods", heading, tables=tables)


def months(content: Content, words: Words) -> list[Section]:
    """The issued months that a quarter or year adds up."""
    if not content["months"]:
        return []
    lines = tuple(
        Line(
            (
                text(period(one["period"], words)),
                text(str(one["version"])),
                text(instant(one["as_of"], words)),
                text(one["sha256"]),
            )
        )
        for one in content["months"]
    )
    columns = (
        Column(words("月份", "Month"), 4),
        Column(words("版本", "Version"), 2, numeric=True),
        Column(words("数据截至", "As of"), 7),
        Column("SHA-256", 11),
    )
    caption = words("汇总的月度报告", "The monthly reports that are added up")
    table = Table(caption, columns, lines)
    return [Section("months", words("所依据的月度报告", "Made from"), tables=(table,))]


def proof(sha256: str, signature: str, words: Words) -> Section:
    """How anyone checks that this is what was issued."""
    return Section(
        "proof",
        words("核验", "Verification"),
        (
            words(
                "哈希是本报告 JSON 内容的 SHA-256；签名（C2SP signed note）用账本日志的公钥核验。"
                "JSON、HTML、PDF、XLSX、CSV 各格式由同一内容生成，可逐字节复现。",
                "The hash is the SHA-256 of this report’s JSON; the signature (a C2SP signed note)"
                " is checked with the public key of the ledger’s log. JSON, HTML, PDF, XLSX and CSV"
                " are made from the same content and come out the same, byte for byte.",
            ),
        ),
        facts=(("SHA-256", sha256),),
        preformatted=signature,
    )
