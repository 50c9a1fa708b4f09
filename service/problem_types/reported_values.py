"""Refusals of values that district staff report."""

from service.districts.plans import errors
from service.problem_types.kinds import ProblemType, kind

TYPES: dict[type[Exception], ProblemType] = {
    errors.ReportedValuesRefused: kind(
        422, "reported-values-refused",
        ("填报数据有误", "Reported values not good"),
        ("有 {faults} 处不符合要求（见 rows），未保存任何数据。",
         "{faults} things are not right (see rows); nothing was kept."),
        "faults", "rows",
    ),
    errors.ReportedValueReused: kind(
        409, "reported-value-id-reused",
        ("填报编号已被使用", "Id of a reported value already used"),
        ("编号 {value_id} 已用于另一项填报或另一份文件。",
         "The id {value_id} stands for another value or another file."),
        "value_id",
    ),
}  # fmt: skip
