"""Refusals about settlements."""

from rewards.settling import errors as settling
from service.problem_types.kinds import ProblemType, kind
from service.settling import errors as files

TYPES: dict[type[Exception], ProblemType] = {
    settling.UnknownSettlement: kind(
        404, "unknown-settlement",
        ("没有该结算单", "Unknown settlement"),
        ("该商户没有这张结算单。", "The merchant has no such settlement."),
    ),
    settling.SettlementReused: kind(
        409, "settlement-id-reused",
        ("结算单编号已被使用", "Settlement id already used"),
        ("该编号已用于另一账期。", "This id already stands for another period."),
    ),
    settling.SettlementPeriodOpen: kind(
        409, "settlement-period-open",
        ("账期未结束", "Period not over"),
        ("该账期于 {ends_at} 结束，之后方可制单。",
         "The period is over at {ends_at}; it can be settled then."),
        "period_to", "ends_at",
    ),
    settling.SettlementPeriodClosed: kind(
        409, "settlement-period-closed",
        ("账期已结算", "Period closed"),
        ("{period_from} 至 {period_to}（不含）已有结算单 {settlement_id}，状态为 {state}。",
         "{period_from} to the day before {period_to} is settled by {settlement_id}, which is"
         " {state}."),
        "settlement_id", "period_from", "period_to", "state",
    ),
    settling.SettlementNegative: kind(
        409, "settlement-negative",
        ("应扣多于应付", "Less than nothing is owed"),
        ("未结的 {lines} 笔合计 {sum_fen} 分，留待下期一并结算。",
         "The {lines} open lines come to {sum_fen} fen; they wait for the next settlement."),
        "lines", "sum_fen",
    ),
    settling.NothingToSettle: kind(
        409, "nothing-to-settle",
        ("没有可结算的明细", "Nothing to settle"),
        ("{period_to} 之前没有未结的明细。", "No line is open from before {period_to}."),
        "period_from", "period_to",
    ),
    settling.LinesBeingFreed: kind(
        409, "settlement-lines-being-freed",
        ("明细正在释放", "Lines are being freed"),
        ("作废的结算单 {settlement_id} 还有 {lines} 笔明细正在释放，请一分钟后重试。",
         "{lines} lines of the voided settlement {settlement_id} are being freed: try again in a"
         " minute."),
        "settlement_id", "lines",
    ),
    settling.SettlementNotReady: kind(
        409, "settlement-not-ready",
        ("结算单状态不符", "Not in this state"),
        ("结算单现为 {state}，此操作要求 {allowed}。",
         "The settlement is {state}; this needs one that is {allowed}."),
        "settlement_id", "state", "allowed",
    ),
    settling.SameApprover: kind(
        403, "settlement-second-person",
        ("须由另一人复核", "A second person is needed"),
        ("制单人 {drafted_by} 和确认人 {confirmed_by} 不能复核此单。",
         "{drafted_by} drafted it and {confirmed_by} confirmed it: somebody else approves."),
        "drafted_by", "confirmed_by",
    ),
    settling.SettlementPaid: kind(
        409, "settlement-paid",
        ("结算单已付款", "Already paid"),
        ("该结算单已于 {paid_at} 付款，凭证号 {payment_reference}。",
         "It was paid at {paid_at}, reference {payment_reference}."),
        "payment_reference", "paid_at",
    ),
    settling.DisputeStands: kind(
        409, "settlement-disputed",
        ("已有异议", "Disputed already"),
        ("该结算单已于 {disputed_at} 提出异议：{dispute_reason}",
         "It is disputed since {disputed_at}: {dispute_reason}"),
        "dispute_reason", "disputed_at",
    ),
    settling.UnreadableStatement: kind(
        422, "unreadable-statement",
        ("对账文件无法读取", "The file cannot be read"),
        ("第 {line} 行无法读取：{cause}。未作任何比对。",
         "Line {line}: {cause}. Nothing was compared."),
        "line", "cause",
    ),
    files.WorkbookTooLong: kind(
        409, "settlement-workbook-too-long",
        ("明细过多，无法在线生成工作簿", "Too many lines for a workbook"),
        ("该结算单有 {lines} 笔明细，在线工作簿最多 {lines_max} 笔；请下载含全部明细的 lines.csv。",
         "The settlement has {lines} lines, a workbook over HTTP {lines_max} at most: take"
         " lines.csv, which has all of them."),
        "lines", "lines_max",
    ),
}  # fmt: skip
