"""Refusals about reports of districts."""

from service.districts import errors as districts
from service.problem_types.kinds import ProblemType, kind

TYPES: dict[type[Exception], ProblemType] = {
    districts.MonthNotOver: kind(
        422, "month-not-over",
        ("月份尚未结束", "Month not over"),
        ("{month} 尚未结束；为保护个人信息，月份结束后才能报告。",
         "{month} is not over; to protect residents a month is reported once it has ended."),
        "month",
    ),
    districts.PeriodNotOver: kind(
        422, "period-not-over",
        ("报告期尚未结束", "Period not over"),
        ("{period} 尚未结束或尚未开始；为保护个人信息，结束后才能报告。",
         "{period} is not over, or has not begun; to protect residents it is reported once it has"
         " ended."),
        "period", "in_future",
    ),
    districts.PeriodEmpty: kind(
        422, "period-empty",
        ("报告期没有记录", "Nothing in the period"),
        ("{code} 在 {period} 没有任何记录，也没有注册居民，不出具报告。",
         "Nothing was recorded of {code} in {period}, and nobody was registered: there is no"
         " report."),
        "code", "period",
    ),
    districts.PeriodNotComplete: kind(
        409, "period-not-complete",
        ("各月报告未齐", "Months not issued"),
        ("{period} 由各月报告加总，{code} 尚缺部分月份（见 missing）。",
         "{period} adds up the months’ reports, and {code} has not issued all of them (missing)."),
        "code", "period", "missing",
    ),
    districts.RollUpsBehind: kind(
        409, "roll-ups-behind",
        ("数据尚未汇总", "Not summed yet"),
        ("{period} 内记录的数据尚未全部汇总，请稍后再试。",
         "What was recorded in {period} is not all summed yet: try again later."),
        "period",
    ),
    districts.ReportNotIssued: kind(
        404, "report-not-issued",
        ("报告尚未出具", "Report not issued"),
        ("{code} 的 {period} 报告（或该版本）尚未出具。",
         "The report {code} {period}, or this version of it, is not issued."),
        "code", "period",
    ),
    districts.ReportVersionReused: kind(
        409, "report-version-reused",
        ("该版本已出具", "Version issued"),
        ("第 {version} 版已以另一理由出具；已出具的版本不再更改。",
         "Version {version} was issued for another reason; what is issued is not changed."),
        "version",
    ),
    districts.ReportVersionNotNext: kind(
        409, "report-version-not-next",
        ("版本号不连续", "Not the next version"),
        ("各版依次出具，下一版是第 {next_version} 版。",
         "Versions follow each other: the next one is {next_version}."),
        "next_version",
    ),
    districts.ReissueReasonNotFitting: kind(
        422, "reissue-reason-not-fitting",
        ("再版理由不符", "Reason does not fit"),
        ("第 1 版不写理由，其后各版须写明理由；所请求的是第 {version} 版。",
         "A first version has no reason, and each further one needs one; asked for: {version}."),
        "version",
    ),
    districts.NothingToReissue: kind(
        409, "nothing-to-reissue",
        ("没有可再版的变更", "Nothing to reissue"),
        ("{code} 的 {period} 没有变更，或变更涉及的居民过少（不足 10 人），不能公布。",
         "Nothing of {code} {period} changed, or too few residents’ acts did (under ten), which"
         " must not be told."),
        "code", "period", "too_few",
    ),
    districts.ReportDoesNotVerify: kind(
        500, "report-does-not-verify",
        ("报告核验不符", "Report does not verify"),
        ("{code} {period} 第 {version} 版核验不符：{why}。",
         "{code} {period} v{version} does not verify: {why}."),
        "code", "period", "version", "why",
    ),
    districts.NotADistrict: kind(
        422, "not-a-district",
        ("不是区县", "Not a district"),
        ("{code} 不是区县；报告只按区县出具。",
         "{code} is not a district; reports are made for districts only."),
        "code",
    ),
    districts.DistrictMerged: kind(
        409, "district-merged",
        ("区县已并入", "District merged"),
        ("{code} 已并入 {into_code}，其数据见后者的报告。",
         "{code} has become part of {into_code}, whose report holds its figures."),
        "code", "into_code",
    ),
}  # fmt: skip
