"""Refusals of the service itself, its audits and jobs."""

from service import errors as service
from service.audits import errors as audits
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
    service.PreviewTooLong: kind(
        422, "preview-too-long",
        ("测算时间过长", "Preview takes too long"),
        ("{timeout_s} 秒内没有测算完，未写入任何内容；请缩短期间。",
         "Not replayed within {timeout_s} s, and nothing was written; ask for fewer days."),
        "timeout_s",
    ),
    service.UnknownTerms: kind(
        404, "unknown-terms",
        ("没有该版本的条款", "Unknown version of the terms"),
        ("没有第 {version} 版条款，或尚未施行。",
         "There are no terms of version {version}, or they are not in force yet."),
        "version",
    ),
    audits.UnknownAudit: kind(
        404, "unknown-audit",
        ("没有该核对", "Unknown audit"),
        ("没有编号为 {audit_id} 的核对。", "There is no audit {audit_id}."),
        "audit_id",
    ),
    audits.AuditIdReused: kind(
        409, "audit-id-reused",
        ("编号已被使用", "Id already used"),
        ("编号 {audit_id} 是别人请求核对时用的。",
         "Somebody else asked for an audit under the id {audit_id}."),
        "audit_id",
    ),
    audits.AuditWaiting: kind(
        409, "audit-waiting",
        ("已有核对在等待", "An audit waits already"),
        ("核对 {audit_id} 正在等待开始，它会看到现在的全部记录。",
         "The audit {audit_id} waits to begin, and will see everything there is now."),
        "audit_id",
    ),
    UnknownJob: kind(
        404, "unknown-job",
        ("没有该任务", "Unknown job"),
        ("没有名为 {job} 的后台任务。", "There is no job {job}."),
        "job",
    ),
}  # fmt: skip
