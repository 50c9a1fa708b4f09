"""The ledger's refusals."""

from ledgers import errors as ledgers
from service.problem_types.kinds import ProblemType, kind

TYPES: dict[type[Exception], ProblemType] = {
    ledgers.UnknownAccount: kind(
        404, "unknown-account",
        ("没有该账户", "Unknown account"),
        ("账户不存在、已关闭或不属于您。",
         "The account does not exist, is closed, or is not yours."),
    ),
    ledgers.InsufficientPoints: kind(
        409, "insufficient-points",
        ("积分不足", "Not enough points"),
        ("需要 {need_points} 分，可用 {have_points} 分，欠 {owed_points} 分。",
         "{need_points} points needed, {have_points} available, {owed_points} owed."),
        "have_points", "need_points", "owed_points",
    ),
    ledgers.PostingReused: kind(
        409, "id-reused",
        ("编号已被使用", "Id already used"),
        ("该编号已用于另一项内容。", "This id already stands for other content."),
    ),
    ledgers.UnknownTransfer: kind(
        404, "unknown-transfer",
        ("没有该笔记录", "Unknown transfer"),
        ("记录不存在或不属于该账户持有人。",
         "The transfers do not exist or are not this holder's."),
        "transfer_ids",
    ),
    ledgers.NotSealedYet: kind(
        409, "not-sealed-yet",
        ("尚未公布", "Not published yet"),
        ("该笔记录还没有写入公开日志，通常几秒到一分钟内完成。",
         "The transfer is not in the published log yet; it comes within seconds to a minute."),
        "transfer_id",
    ),
    ledgers.HolderErased: kind(
        410, "holder-erased",
        ("个人信息已删除", "Holder erased"),
        ("持有人的个人信息已删除，公开日志中的条目无法再证明属于谁。",
         "The holder was erased; nobody can show any more whose entry this is."),
        "transfer_id",
    ),
    ledgers.NotReversible: kind(
        409, "not-reversible",
        ("不能冲正", "Not reversible"),
        ("记录本身是冲正或批次调整，或可冲正的余额不足。",
         "The transfers are reversals or changes of lot, or less is left of them."),
        "transfer_ids",
    ),
    ledgers.InvalidAmount: kind(
        422, "invalid-amount",
        ("数额无效", "Invalid amount"),
        ("数额须为 1 至 9007199254740992 的整数。",
         "An amount is a whole number from 1 to 9007199254740992."),
        "amount",
    ),
    ledgers.WrongUnit: kind(
        422, "wrong-unit",
        ("单位不符", "Wrong unit"),
        ("{debit_unit} 不能转入 {credit_unit} 账户。",
         "{debit_unit} cannot be moved to an account of {credit_unit}."),
        "debit_unit", "credit_unit",
    ),
    ledgers.PostingOutOfBounds: kind(
        422, "posting-out-of-bounds",
        ("笔数超限", "Posting out of bounds"),
        ("一次入账须有 1 至 {transfers_max} 笔，此次 {transfers} 笔。",
         "A posting has 1 to {transfers_max} transfers; this one has {transfers}."),
        "transfers", "transfers_max",
    ),
    ledgers.UnknownHold: kind(
        404, "unknown-hold",
        ("没有该预留", "Unknown hold"),
        ("预留不存在或不属于该账户持有人。", "The hold does not exist or is not this holder's."),
        "hold_id",
    ),
    ledgers.HoldReused: kind(
        409, "hold-id-reused",
        ("预留编号已被使用", "Hold id already used"),
        ("该编号已用于另一项预留。", "This id already stands for another hold."),
        "hold_id",
    ),
    ledgers.HoldEnded: kind(
        409, "hold-ended",
        ("预留已结束", "Hold ended"),
        ("该预留已于 {ended_at} 结束（{state}）。", "The hold ended at {ended_at}: {state}."),
        "hold_id", "state", "ended_at",
    ),
    ledgers.HoldExceeded: kind(
        409, "hold-exceeded",
        ("超出预留", "More than is held"),
        ("预留 {held_points} 分，要求 {asked_points} 分。",
         "{asked_points} points asked for, {held_points} held."),
        "held_points", "asked_points",
    ),
    ledgers.DeadlineOutOfBounds: kind(
        422, "deadline-out-of-bounds",
        ("期限无效", "Deadline out of bounds"),
        ("预留期限须在将来，且不超过 {days_max} 天。",
         "A hold ends in the future and within {days_max} days."),
        "deadline_at", "days_max",
    ),
    ledgers.UnknownPosting: kind(
        404, "unknown-posting",
        ("没有该次入账", "Unknown posting"),
        ("没有编号为 {posting_id} 的入账。", "There is no posting {posting_id}."),
        "posting_id",
    ),
    ledgers.UnknownCorrection: kind(
        404, "unknown-correction",
        ("没有该项更正", "Unknown correction"),
        ("该持有人没有编号为 {correction_id} 的更正。",
         "This holder has no correction {correction_id}."),
        "correction_id",
    ),
    ledgers.CorrectionReused: kind(
        409, "correction-id-reused",
        ("更正编号已被使用", "Correction id already used"),
        ("该编号已用于另一项更正，或由他人提出。",
         "This id already stands for another correction, or somebody else proposed it."),
    ),
    ledgers.CorrectionDecided: kind(
        409, "correction-decided",
        ("更正已有决定", "Correction already decided"),
        ("该更正已由 {decided_by} 决定（{state}）。", "{decided_by} has decided it: {state}."),
        "state", "decided_by",
    ),
    ledgers.SecondPersonNeeded: kind(
        403, "second-person-needed",
        ("须由另一人批准", "A second person is needed"),
        ("该更正由 {proposed_by} 提出，须由另一人批准。",
         "{proposed_by} proposed the correction; somebody else approves it."),
        "proposed_by",
    ),
}  # fmt: skip
