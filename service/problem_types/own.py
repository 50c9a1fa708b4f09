"""Refusals of the service itself, its districts and jobs."""

from service import errors as service
from service.districts.errors import DistrictMerged, MonthNotOver, NotADistrict
from service.jobs.errors import UnknownJob
from service.problem_types.kinds import ProblemType, kind

TYPES: dict[type[Exception], ProblemType] = {
    service.InvalidAttestation: kind(
        422, "invalid-attestation",
        ("设备证明无效", "Attestation not valid"),
        ("设备证明不能采信（{why}），未记录任何内容。",
         "The device's attestation cannot be believed ({why}); nothing was recorded."),
        "why",
    ),
    service.TooBusy: kind(
        503, "too-busy",
        ("服务繁忙", "Too busy"),
        ("同时请求过多，请稍后用同一编号重试，不会重复记录。",
         "Too much at once. Try again with the same id; nothing is recorded twice."),
    ),
    service.TooManyRequests: kind(
        429, "too-many-requests",
        ("请求过于频繁", "Too many requests"),
        ("请求过于频繁，请在 {retry_after_s} 秒后再试。",
         "Too many requests. Try again in {retry_after_s} seconds."),
        "retry_after_s",
    ),
    MonthNotOver: kind(
        422, "month-not-over",
        ("月份尚未结束", "Month not over"),
        ("{month} 尚未结束；为保护个人信息，月份结束后才能报告。",
         "{month} is not over; to protect residents a month is reported once it has ended."),
        "month",
    ),
    NotADistrict: kind(
        422, "not-a-district",
        ("不是区县", "Not a district"),
        ("{code} 不是区县；报告只按区县出具。",
         "{code} is not a district; reports are made for districts only."),
        "code",
    ),
    DistrictMerged: kind(
        409, "district-merged",
        ("区县已并入", "District merged"),
        ("{code} 已并入 {into_code}，其数据见后者的报告。",
         "{code} has become part of {into_code}, whose report holds its figures."),
        "code", "into_code",
    ),
    UnknownJob: kind(
        404, "unknown-job",
        ("没有该任务", "Unknown job"),
        ("没有名为 {job} 的后台任务。", "There is no job {job}."),
        "job",
    ),
}  # fmt: skip
