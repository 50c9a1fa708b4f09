"""Refusal → RFC 9457 problem document: the one table of statuses, in Chinese and English."""

import logging
from dataclasses import dataclass
from typing import Any

import msgspec
from flask import Flask, Response, current_app, request
from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from werkzeug.exceptions import HTTPException

from activities import errors as activities
from activities.reviewing import errors as review
from ledgers import errors as ledgers
from rewards import errors as rewards
from service import errors as service
from service.authorisation import OutOfReach
from service.db import is_retryable, is_unavailable
from service.districts.errors import DistrictMerged, MonthNotOver, NotADistrict
from service.feeds import errors as feeds
from service.field_messages import field_message
from service.identity import errors as identity
from service.identity.tokens import InvalidToken
from service.jobs.errors import UnknownJob
from service.language import Text, chosen

log = logging.getLogger(__name__)


class WrongRole(Exception):
    """The caller is known and may not do this."""


class NotAsDelegate(Exception):
    """The caller acts for somebody who did not let them do this."""


@dataclass(frozen=True, slots=True)
class ProblemType:
    """One kind of problem; ``detail`` takes its facts from ``members`` of the refusal."""

    status: int
    slug: str
    title: Text
    detail: Text
    members: tuple[str, ...] = ()


def _p(
    status: int, slug: str, title: tuple[str, str], detail: tuple[str, str], *members: str
) -> ProblemType:
    return ProblemType(status, slug, Text(*title), Text(*detail), members)


PROBLEM_TYPES: dict[type[Exception], ProblemType] = {
    ledgers.UnknownAccount: _p(
        404, "unknown-account",
        ("没有该账户", "Unknown account"),
        ("账户不存在、已关闭或不属于您。",
         "The account does not exist, is closed, or is not yours."),
    ),
    ledgers.InsufficientPoints: _p(
        409, "insufficient-points",
        ("积分不足", "Not enough points"),
        ("需要 {need_points} 分，可用 {have_points} 分，欠 {owed_points} 分。",
         "{need_points} points needed, {have_points} available, {owed_points} owed."),
        "have_points", "need_points", "owed_points",
    ),
    ledgers.PostingReused: _p(
        409, "id-reused",
        ("编号已被使用", "Id already used"),
        ("该编号已用于另一项内容。", "This id already stands for other content."),
    ),
    ledgers.UnknownTransfer: _p(
        404, "unknown-transfer",
        ("没有该笔记录", "Unknown transfer"),
        ("记录不存在或不属于该账户持有人。",
         "The transfers do not exist or are not this holder's."),
        "transfer_ids",
    ),
    ledgers.NotSealedYet: _p(
        409, "not-sealed-yet",
        ("尚未公布", "Not published yet"),
        ("该笔记录还没有写入公开日志，通常几秒到一分钟内完成。",
         "The transfer is not in the published log yet; it comes within seconds to a minute."),
        "transfer_id",
    ),
    ledgers.HolderErased: _p(
        410, "holder-erased",
        ("个人信息已删除", "Holder erased"),
        ("持有人的个人信息已删除，公开日志中的条目无法再证明属于谁。",
         "The holder was erased; nobody can show any more whose entry this is."),
        "transfer_id",
    ),
    ledgers.NotReversible: _p(
        409, "not-reversible",
        ("不能冲正", "Not reversible"),
        ("记录本身是冲正或批次调整，或可冲正的余额不足。",
         "The transfers are reversals or changes of lot, or less is left of them."),
        "transfer_ids",
    ),
    ledgers.InvalidAmount: _p(
        422, "invalid-amount",
        ("数额无效", "Invalid amount"),
        ("数额须为 1 至 9007199254740992 的整数。",
         "An amount is a whole number from 1 to 9007199254740992."),
        "amount",
    ),
    ledgers.WrongUnit: _p(
        422, "wrong-unit",
        ("单位不符", "Wrong unit"),
        ("{debit_unit} 不能转入 {credit_unit} 账户。",
         "{debit_unit} cannot be moved to an account of {credit_unit}."),
        "debit_unit", "credit_unit",
    ),
    ledgers.PostingOutOfBounds: _p(
        422, "posting-out-of-bounds",
        ("笔数超限", "Posting out of bounds"),
        ("一次入账须有 1 至 {transfers_max} 笔，此次 {transfers} 笔。",
         "A posting has 1 to {transfers_max} transfers; this one has {transfers}."),
        "transfers", "transfers_max",
    ),
    ledgers.UnknownHold: _p(
        404, "unknown-hold",
        ("没有该预留", "Unknown hold"),
        ("预留不存在或不属于该账户持有人。", "The hold does not exist or is not this holder's."),
        "hold_id",
    ),
    ledgers.HoldReused: _p(
        409, "hold-id-reused",
        ("预留编号已被使用", "Hold id already used"),
        ("该编号已用于另一项预留。", "This id already stands for another hold."),
        "hold_id",
    ),
    ledgers.HoldEnded: _p(
        409, "hold-ended",
        ("预留已结束", "Hold ended"),
        ("该预留已于 {ended_at} 结束（{state}）。", "The hold ended at {ended_at}: {state}."),
        "hold_id", "state", "ended_at",
    ),
    ledgers.HoldExceeded: _p(
        409, "hold-exceeded",
        ("超出预留", "More than is held"),
        ("预留 {held_points} 分，要求 {asked_points} 分。",
         "{asked_points} points asked for, {held_points} held."),
        "held_points", "asked_points",
    ),
    ledgers.DeadlineOutOfBounds: _p(
        422, "deadline-out-of-bounds",
        ("期限无效", "Deadline out of bounds"),
        ("预留期限须在将来，且不超过 {days_max} 天。",
         "A hold ends in the future and within {days_max} days."),
        "deadline_at", "days_max",
    ),
    ledgers.UnknownPosting: _p(
        404, "unknown-posting",
        ("没有该次入账", "Unknown posting"),
        ("没有编号为 {posting_id} 的入账。", "There is no posting {posting_id}."),
        "posting_id",
    ),
    ledgers.UnknownCorrection: _p(
        404, "unknown-correction",
        ("没有该项更正", "Unknown correction"),
        ("该持有人没有编号为 {correction_id} 的更正。",
         "This holder has no correction {correction_id}."),
        "correction_id",
    ),
    ledgers.CorrectionReused: _p(
        409, "correction-id-reused",
        ("更正编号已被使用", "Correction id already used"),
        ("该编号已用于另一项更正，或由他人提出。",
         "This id already stands for another correction, or somebody else proposed it."),
    ),
    ledgers.CorrectionDecided: _p(
        409, "correction-decided",
        ("更正已有决定", "Correction already decided"),
        ("该更正已由 {decided_by} 决定（{state}）。", "{decided_by} has decided it: {state}."),
        "state", "decided_by",
    ),
    ledgers.SecondPersonNeeded: _p(
        403, "second-person-needed",
        ("须由另一人批准", "A second person is needed"),
        ("该更正由 {proposed_by} 提出，须由另一人批准。",
         "{proposed_by} proposed the correction; somebody else approves it."),
        "proposed_by",
    ),
    activities.CatalogueRefused: _p(
        422, "catalogue-refused",
        ("目录未通过检查", "Catalogue refused"),
        ("目录有误，未导入任何内容。", "The catalogue has errors; nothing was loaded."),
        "problems",
    ),
    activities.UnknownDraft: _p(
        404, "unknown-draft",
        ("没有该草案", "Unknown draft"),
        ("names 所列名称不是任何因子、方法、折算或规则。",
         "No factor, method, tariff or rule is called what names lists."),
        "names",
    ),
    activities.DraftNeedsSecondPerson: _p(
        403, "draft-needs-second-person",
        ("草案须由另一人批准", "A draft needs a second person"),
        ("该草案由 {actor} 起草，须由另一人批准。",
         "{actor} drafted it; somebody else approves."),
        "names", "actor",
    ),
    activities.FactorsNotApproved: _p(
        409, "factors-not-approved",
        ("因子尚未批准", "Factors not approved"),
        ("该方法所用的因子（见 factors）尚未批准。",
         "The method uses factors that are not approved; factors lists them."),
        "names", "factors",
    ),
    activities.DraftApproved: _p(
        409, "draft-approved",
        ("草案已获批准", "Draft approved already"),
        ("names 所列已获批准，无从比较。",
         "What names lists is approved: there is nothing to compare with."),
        "names",
    ),
    activities.UnknownProgramme: _p(
        404, "unknown-programme",
        ("没有该项目", "Unknown programme"),
        ("没有代码为 {code} 的项目。", "There is no programme {code}."),
        "code",
    ),
    activities.UnknownScene: _p(
        404, "unknown-scene",
        ("没有该场景", "Unknown scene"),
        ("没有代码为 {code} 的场景。", "There is no scene {code}."),
        "code",
    ),
    activities.UnknownDivision: _p(
        404, "unknown-division",
        ("没有该区划", "Unknown division"),
        ("没有代码为 {code} 的行政区划。", "There is no division {code}."),
        "code",
    ),
    activities.UnknownResident: _p(
        404, "unknown-resident",
        ("没有该居民", "Unknown resident"),
        ("该持有人未参加任何碳普惠项目。", "This holder takes part in no programme."),
        "holder_id",
    ),
    activities.ConsentNotAsked: _p(
        409, "consent-not-asked",
        ("无需授权", "No consent is asked for"),
        ("场景 {code} 不要求授权。", "The scene {code} asks for no consent."),
        "code",
    ),
    activities.ConsentTextOutdated: _p(
        409, "consent-text-outdated",
        ("授权书版本不符", "Another version of the consent's text"),
        ("场景 {code} 现行授权书为第 {current_text_version} 版，不是第 {text_version} 版。",
         "The scene {code} asks for consent to text {current_text_version}, not {text_version}."),
        "code", "text_version", "current_text_version",
    ),
    activities.SceneStepNotAllowed: _p(
        409, "scene-step-not-allowed",
        ("场景状态不允许", "Step not allowed"),
        ("场景 {code} 的状态为 {scene_status}，不能改为 {wanted}。",
         "The scene {code} is {scene_status} and cannot become {wanted}."),
        "code", "scene_status", "wanted",
    ),
    activities.SceneChangeBackdated: _p(
        422, "scene-change-backdated",
        ("不能追溯变更", "A change cannot reach back"),
        ("场景变更最早自 {earliest_at} 起生效。",
         "A scene changes from {earliest_at} on at the earliest."),
        "code", "effective_at", "earliest_at",
    ),
    activities.SceneChangeReused: _p(
        409, "scene-change-reused",
        ("该时刻已有另一项变更", "Another change at that instant"),
        ("场景 {code} 在 {effective_at} 已有内容不同的变更。",
         "The scene {code} already changes otherwise at {effective_at}."),
        "code", "effective_at",
    ),
    activities.SceneNeedsSecondPerson: _p(
        403, "scene-needs-second-person",
        ("场景批准须有另一人", "A scene's approval needs a second person"),
        ("{actor} 提出的批准或延期须由另一人批准。",
         "{actor} asks for the approval or extension; somebody else approves it."),
        "code", "actor",
    ),
    activities.ExtensionNotLater: _p(
        422, "extension-not-later",
        ("延期日期无效", "The extension is not later"),
        ("延期须晚于 {approved_to}，此次为 {asked_to}。",
         "An extension leads beyond {approved_to}; this one is to {asked_to}."),
        "code", "approved_to", "asked_to",
    ),
    activities.HouseholdReused: _p(
        409, "household-reused",
        ("该日已有另一份申报", "Another household as of that day"),
        ("自 {valid_from} 起的家庭情况已申报，内容不同。",
         "Another household was declared as of {valid_from}."),
        "valid_from",
    ),
    activities.HouseholdOutOfBounds: _p(
        422, "household-out-of-bounds",
        ("家庭情况无效", "Household out of bounds"),
        ("{field} 须在 {lowest} 至 {highest} 之间。",
         "{field} must be from {lowest} to {highest}."),
        "field", "lowest", "highest",
    ),
    activities.UnknownActivity: _p(
        404, "unknown-activity",
        ("没有该活动", "Unknown activity"),
        ("活动不存在或不属于该居民。", "The activity does not exist or is not this resident's."),
        "activity_id",
    ),
    activities.UnknownBehaviour: _p(
        404, "unknown-behaviour",
        ("没有该行为", "Unknown behaviour"),
        ("该项目中没有行为 {code} 的场景。", "The programme has no scene of the behaviour {code}."),
        "code",
    ),
    activities.ActivityNotVerified: _p(
        409, "activity-not-verified",
        ("活动未入账", "Activity not verified"),
        ("该活动现为 {decision}（{decision_code}），没有可更正的数量。",
         "The activity is {decision} ({decision_code}): it has no quantity to correct."),
        "activity_id", "decision", "decision_code",
    ),
    activities.CorrectionImplausible: _p(
        422, "correction-implausible",
        ("更正后的数量不合理", "Implausible correction"),
        ("按该活动适用的规则，数量 {quantity} 会被拒绝（{refusal_code}）。",
         "By the activity's own rules the quantity {quantity} would be refused ({refusal_code})."),
        "activity_id", "quantity", "refusal_code",
    ),
    activities.EventIdReused: _p(
        409, "event-id-reused",
        ("活动编号已被使用", "Activity id already used"),
        ("该编号已用于另一项活动。", "This id already stands for another activity."),
        "event_id",
    ),
    activities.WrongChannel: _p(
        422, "wrong-channel",
        ("不是该场景的渠道", "Another channel's scene"),
        ("场景 {code} 的数据由 {channel} 渠道报送，不能从这里录入。",
         "The scene {code} is fed by the channel {channel}, not through this door."),
        "code", "channel",
    ),
    review.UnknownCase: _p(
        404, "unknown-case",
        ("没有该复核", "Unknown case"),
        ("该居民没有这项待复核的活动。", "This resident has no such activity under review."),
        "activity_id",
    ),
    review.CaseClosed: _p(
        409, "case-closed",
        ("复核已结束", "Case closed"),
        ("该活动已有结论（{decision}，{decision_code}），或已撤回、被取代。",
         "The activity was decided, withdrawn or superseded: {decision}, {decision_code}."),
        "activity_id", "decision", "decision_code",
    ),
    review.ReviewStepReused: _p(
        409, "review-step-id-reused",
        ("步骤编号已被使用", "Step id already used"),
        ("该编号已用于另一个步骤。", "This id already stands for another step."),
        "step_id",
    ),
    review.OwnActivity: _p(
        403, "own-activity",
        ("不能处理本人的活动", "One's own activity"),
        ("本人的活动、本人录入的活动须由他人处理。",
         "Somebody else decides on one's own activity, or on one that one entered."),
        "activity_id",
    ),
    review.SecondReviewerNeeded: _p(
        403, "second-reviewer-needed",
        ("须由另一人批准", "A second reviewer is needed"),
        ("可得 {potential_points} 分，超过 {limit_points} 分；{approved_by} 已批准，须另一人再批。",
         "It would earn {potential_points} points, above {limit_points}: {approved_by} has"
         " approved it, and somebody else must too."),
        "activity_id", "potential_points", "limit_points", "approved_by",
    ),
    review.QuestionNotOpen: _p(
        409, "question-not-open",
        ("该问题不能回答", "Question not open"),
        ("该问题不是最新的提问、已另有回答，或复核已结束。",
         "It is not the latest question, was answered otherwise, or the case is closed."),
        "activity_id", "question_id",
    ),
    review.NotAppealable: _p(
        409, "not-appealable",
        ("不能申诉", "Nothing to appeal"),
        ("只有未通过的活动可以申诉；该活动的状态为 {decision}。",
         "Only a refusal can be appealed; the activity is {decision}."),
        "activity_id", "decision",
    ),
    review.AlreadyAppealed: _p(
        409, "already-appealed",
        ("已申诉过", "Already appealed"),
        ("每项活动只能申诉一次。", "A refusal is appealed once."),
        "activity_id",
    ),
    review.UnknownAppeal: _p(
        404, "unknown-appeal",
        ("没有该申诉", "Unknown appeal"),
        ("该活动没有申诉。", "Nobody has appealed about this activity."),
        "activity_id",
    ),
    review.AppealAnswered: _p(
        409, "appeal-answered",
        ("申诉已有答复", "Appeal already answered"),
        ("{answered_by} 已答复（{outcome}）。", "{answered_by} has answered it: {outcome}."),
        "activity_id", "outcome", "answered_by",
    ),
    review.OwnRefusal: _p(
        403, "own-refusal",
        ("须由另一人答复", "Somebody else answers"),
        ("该活动由 {refused_by} 拒绝，申诉须由他人答复。",
         "{refused_by} refused the activity; somebody else answers the appeal."),
        "activity_id", "refused_by",
    ),
    review.NotOverturnable: _p(
        409, "not-overturnable",
        ("无法入账", "Cannot be granted"),
        ("该活动无法量化（{refusal_code}），不能改判。",
         "The activity cannot be quantified ({refusal_code}), so it cannot be granted."),
        "activity_id", "refusal_code",
    ),
    review.ActTaken: _p(
        409, "act-taken",
        ("该行为已另计入", "The act is another activity's"),
        ("同一行为或同一时间已由活动 {taken_by} 计入。",
         "The act, or its time, is counted by activity {taken_by}."),
        "activity_id", "taken_by",
    ),
    identity.UnknownCard: _p(
        404, "unknown-card",
        ("没有该卡", "Unknown card"),
        ("没有居民持有该卡号。", "No resident has a card of this number."),
    ),
    identity.CardTaken: _p(
        409, "card-taken",
        ("卡已有主", "Card already given"),
        ("该卡已属于另一位居民。", "The card is another resident's."),
    ),
    identity.ResidentReused: _p(
        409, "resident-id-reused",
        ("登记编号已被使用", "Registration id already used"),
        ("该编号已用于另一项登记。", "This id already stands for another registration."),
        "resident_id",
    ),
    service.InvalidAttestation: _p(
        422, "invalid-attestation",
        ("设备证明无效", "Attestation not valid"),
        ("设备证明不能采信（{why}），未记录任何内容。",
         "The device's attestation cannot be believed ({why}); nothing was recorded."),
        "why",
    ),
    service.TooBusy: _p(
        503, "too-busy",
        ("服务繁忙", "Too busy"),
        ("同时请求过多，请稍后用同一编号重试，不会重复记录。",
         "Too much at once. Try again with the same id; nothing is recorded twice."),
    ),
    rewards.UnknownOffer: _p(
        404, "unknown-offer",
        ("没有该商品", "Unknown offer"),
        ("商品不存在。", "There is no such offer."),
    ),
    rewards.OfferNotOnSale: _p(
        409, "offer-not-on-sale",
        ("不在兑换期内", "Not on sale"),
        ("该商品的兑换期为 {on_sale_from} 至 {on_sale_to}。",
         "The offer is on sale from {on_sale_from} to {on_sale_to}."),
        "on_sale_from", "on_sale_to",
    ),
    rewards.SoldOut: _p(
        409, "sold-out",
        ("已兑完", "Sold out"),
        ("该商品已兑完，未扣积分。", "The offer is sold out; no points were taken."),
    ),
    rewards.RedemptionReused: _p(
        409, "redemption-id-reused",
        ("兑换编号已被使用", "Redemption id already used"),
        ("该编号已用于另一次兑换。", "This id already stands for another redemption."),
    ),
    rewards.UnknownRedemption: _p(
        404, "unknown-redemption",
        ("没有该次兑换", "Unknown redemption"),
        ("兑换不存在或不属于您。", "The redemption does not exist or is not yours."),
    ),
    rewards.UnknownVoucher: _p(
        404, "unknown-voucher",
        ("券码无效", "Unknown voucher"),
        ("请核对券码；本商户没有这张券。", "Check the code: this merchant has no such voucher."),
    ),
    rewards.VoucherConsumed: _p(
        409, "voucher-consumed",
        ("券已使用", "Voucher already used"),
        ("该券已于 {consumed_at} 使用。", "The voucher was used at {consumed_at}."),
        "consumed_at",
    ),
    rewards.ConsumptionReused: _p(
        409, "consumption-id-reused",
        ("核销编号已被使用", "Consumption id already used"),
        ("该编号已用于另一张券。", "This id already stands for the use of another voucher."),
    ),
    MonthNotOver: _p(
        422, "month-not-over",
        ("月份尚未结束", "Month not over"),
        ("{month} 尚未结束；为保护个人信息，月份结束后才能报告。",
         "{month} is not over; to protect residents a month is reported once it has ended."),
        "month",
    ),
    NotADistrict: _p(
        422, "not-a-district",
        ("不是区县", "Not a district"),
        ("{code} 不是区县；报告只按区县出具。",
         "{code} is not a district; reports are made for districts only."),
        "code",
    ),
    DistrictMerged: _p(
        409, "district-merged",
        ("区县已并入", "District merged"),
        ("{code} 已并入 {into_code}，其数据见后者的报告。",
         "{code} has become part of {into_code}, whose report holds its figures."),
        "code", "into_code",
    ),
    feeds.BadSignature: _p(
        401, "bad-signature",
        ("签名无效", "Bad signature"),
        ("报文头不全，或签名不是由该场景数据方的有效密钥所签。",
         "Headers are missing, or no live key of the scene's partner made the signature."),
    ),
    feeds.ClockOff: _p(
        401, "clock-off",
        ("签名时间不符", "Signed at another time"),
        ("webhook-timestamp 与服务器时间 {server_at} 相差超过 5 分钟。",
         "webhook-timestamp is more than 5 minutes away from the server's {server_at}."),
        "server_at",
    ),
    feeds.MessageReplayed: _p(
        409, "message-replayed",
        ("报文已收到过", "Message received before"),
        ("编号为 {message_id} 的报文已收到过，本次未读取内容。",
         "Message {message_id} was received before; its content was not read again."),
        "message_id",
    ),
    feeds.ReplayUnknown: _p(
        503, "replay-unknown",
        ("暂时无法核对报文编号", "Message id cannot be checked"),
        ("暂时无法核对报文是否收到过，本次未读取内容，请稍后重试。",
         "Whether the message was received before cannot be told now; nothing was read."),
    ),
    feeds.BatchTooLarge: _p(
        413, "batch-too-large",
        ("批次过大", "Batch too large"),
        ("一个批次最多 {events_max} 条、解压后 {bytes_max} 字节；未记录任何内容。",
         "A batch has at most {events_max} events and, unpacked, {bytes_max} bytes."),
        "events_max", "bytes_max",
    ),
    feeds.NotUnpackable: _p(
        400, "not-gzip",
        ("内容无法解压", "Not gzip"),
        ("Content-Encoding 为 gzip，但内容不是完整的 gzip 数据。",
         "Content-Encoding says gzip, and the body is no whole gzip stream."),
    ),
    feeds.EncodingUnknown: _p(
        415, "encoding-not-accepted",
        ("不支持该压缩方式", "Encoding not accepted"),
        ("不支持 Content-Encoding: {encoding}。", "Content-Encoding {encoding} is not accepted."),
        "encoding",
    ),
    feeds.InvalidBatchId: _p(
        422, "batch-id-not-valid",
        ("批次编号无效", "Batch id not valid"),
        ("批次编号须为 1 至 64 个字母、数字、点、下划线或连字符。",
         "A batch id has 1 to 64 letters, digits, dots, underscores or hyphens."),
    ),
    feeds.BatchReused: _p(
        409, "batch-id-reused",
        ("批次编号已被使用", "Batch id already used"),
        ("批次 {batch_id} 的第 {version} 版此前内容不同；更正请用更高的版本号。",
         "Version {version} of batch {batch_id} came with other content before."),
        "batch_id", "version",
    ),
    feeds.BatchOutdated: _p(
        409, "batch-outdated",
        ("批次版本已过时", "Batch version outdated"),
        ("批次 {batch_id} 已收到第 {latest_version} 版，第 {version} 版不再接受。",
         "Batch {batch_id} is at version {latest_version}; version {version} is not taken."),
        "batch_id", "version", "latest_version",
    ),
    feeds.TotalsOfAnotherDay: _p(
        422, "totals-of-the-future",
        ("日期尚未开始", "Day not begun"),
        ("{day} 尚未开始，不能申报合计。", "{day} has not begun: it has no totals yet."),
        "day",
    ),
    feeds.UnknownPartner: _p(
        404, "unknown-partner",
        ("没有该数据方", "Unknown partner"),
        ("没有代码为 {code} 的数据方。", "There is no partner {code}."),
        "code",
    ),
    feeds.UnknownFeedKey: _p(
        404, "unknown-feed-key",
        ("没有该密钥", "Unknown key"),
        ("没有编号为 {key_id} 的密钥。", "There is no key {key_id}."),
        "key_id",
    ),
    feeds.TooManyKeys: _p(
        409, "too-many-keys",
        ("有效密钥过多", "Too many live keys"),
        ("该数据方已有 {live_max} 把有效密钥，请先停用一把。",
         "The partner has {live_max} live keys; retire one first."),
        "live_max",
    ),
    UnknownJob: _p(
        404, "unknown-job",
        ("没有该任务", "Unknown job"),
        ("没有名为 {job} 的后台任务。", "There is no job {job}."),
        "job",
    ),
    InvalidToken: _p(
        401, "invalid-token",
        ("未登录或凭证无效", "Not signed in"),
        ("请重新登录。", "The request carries no valid access token."),
    ),
    WrongRole: _p(
        403, "wrong-role",
        ("没有权限", "Not allowed"),
        ("您的角色不能执行此操作。", "Your role may not do this."),
    ),
    OutOfReach: _p(
        403, "out-of-reach",
        ("超出授权范围", "Out of reach"),
        ("此项只对全部项目的授权开放。", "This is for grants of all programmes and divisions."),
    ),
    NotAsDelegate: _p(
        403, "not-as-delegate",
        ("代办人不能执行此操作", "Not as a delegate"),
        ("此项须本人（未满 14 周岁的由监护人）办理，或由本人另行授权。",
         "The resident does this in person (for a child under 14 the guardian), or allows it."),
    ),
    identity.AccountClosed: _p(
        410, "account-closed",
        ("账户已注销", "Account closed"),
        ("该账户已注销，个人信息已删除。", "The account is closed; nothing personal is kept."),
    ),
}  # fmt: skip

UNAVAILABLE = _p(
    503, "database-unavailable",
    ("服务暂时不可用", "Temporarily unavailable"),
    ("数据库暂时不可用，请稍后用同一编号重试，不会重复入账。",
     "The database is away. Try again with the same id; nothing is booked twice."),
)  # fmt: skip
BAD_BODY = _p(
    422, "body-does-not-fit",
    ("内容不符合要求", "Body does not fit"),
    ("请按 errors 中的提示修改。", "See errors for each field."),
)  # fmt: skip
NOT_JSON = _p(
    400, "not-json",
    ("内容不是 JSON", "Not JSON"),
    ("请求内容不是有效的 JSON。", "The body is not valid JSON."),
)  # fmt: skip
NOT_SAID_TO_BE_JSON = _p(
    415, "content-type-not-json",
    ("内容类型不是 JSON", "Content type is not JSON"),
    ("请以 Content-Type: application/json 发送。", "Send it with Content-Type: application/json."),
)  # fmt: skip
ALL_TYPES = (*PROBLEM_TYPES.values(), UNAVAILABLE, BAD_BODY, NOT_JSON, NOT_SAID_TO_BE_JSON)

# Plain HTTP errors; another status says its English name in both languages.
_HTTP_TITLES = {
    400: "请求有误",
    404: "没有这个地址",
    405: "不支持该方法",
    413: "内容过大",
    500: "服务内部错误",
}


def register(app: Flask) -> None:
    """Answer every refusal, HTTP error and absent database with a problem document."""
    for kind in PROBLEM_TYPES:
        app.register_error_handler(kind, _on_refusal)
    app.register_error_handler(HTTPException, on_http_error)
    app.register_error_handler(DBAPIError, _on_database_error)
    app.register_error_handler(PoolTimeout, _on_pool_empty)


def respond(kind: ProblemType, headers: dict[str, str] | None = None, **members: Any) -> Response:
    """The problem document of a kind, in the caller's language."""
    return _document(
        kind.status,
        {
            "type": f"{current_app.extensions['tanhui'].settings.public_url}/problems/{kind.slug}",
            "title": chosen(kind.title),
            "status": kind.status,
            "detail": chosen(kind.detail).format_map(members),
            "instance": request.path,
            **members,
        },
        headers,
    )


def _document(status: int, body: dict[str, Any], headers: dict[str, str] | None) -> Response:
    answer = Response(msgspec.json.encode(body), status, content_type="application/problem+json")
    answer.headers["Content-Language"] = "zh-CN" if chosen(Text("zh", "en")) == "zh" else "en"
    answer.headers["Vary"] = "Accept-Language"
    answer.headers.update(headers or {})
    return answer


def _on_refusal(error: Exception) -> Response:
    kind = PROBLEM_TYPES[type(error)]
    headers = {}
    if isinstance(error, InvalidToken):
        headers["WWW-Authenticate"] = f'Bearer error="invalid_token", error_description="{error}"'
    if isinstance(error, ledgers.NotSealedYet):
        headers["Retry-After"] = "5"
    if isinstance(error, service.TooBusy | feeds.ReplayUnknown):
        headers["Retry-After"] = "2"
    if isinstance(error, feeds.BadSignature | feeds.ClockOff):
        headers["WWW-Authenticate"] = "StandardWebhooks"
    return respond(kind, headers, **{name: getattr(error, name) for name in kind.members})


def on_http_error(error: HTTPException) -> Response:
    """The problem document of a plain HTTP error, or of a body that does not fit."""
    data = getattr(error, "data", None)  # webargs leaves its messages here.
    if error.code == 422 and data:
        return respond(BAD_BODY, errors=list(_pointers(data["messages"])))
    if error.code == 400 and request.is_json:
        return respond(NOT_JSON)
    if error.code == 415:
        return respond(NOT_SAID_TO_BE_JSON)
    headers = {k: v for k, v in error.get_headers() if k not in ("Content-Type", "Content-Length")}
    body = {
        "type": "about:blank",
        "title": chosen(Text(_HTTP_TITLES.get(error.code or 500, error.name), error.name)),
        "status": error.code,
        "instance": request.path,
    }
    return _document(error.code or 500, body, headers)


def _pointers(messages: dict[str, Any]) -> Any:
    """marshmallow's nested messages as JSON pointers; the outermost key is where it stood."""
    for place, fields in messages.items():
        for path, message in _leaves(fields, ""):
            detail = chosen(field_message(message))
            if place == "json":
                yield {"pointer": f"#{path}", "detail": detail}
            else:
                yield {"parameter": path.lstrip("/"), "in": place, "detail": detail}


def _leaves(messages: Any, path: str) -> Any:
    if isinstance(messages, dict):
        for name, inner in messages.items():
            escaped = str(name).replace("~", "~0").replace("/", "~1")
            yield from _leaves(inner, path if name == "_schema" else f"{path}/{escaped}")
    else:
        for detail in messages if isinstance(messages, list) else [messages]:
            yield path, detail


def _on_database_error(error: DBAPIError) -> Response:
    if is_unavailable(error) or is_retryable(error):
        log.warning("database unavailable: %s", type(error.orig).__name__)
        return respond(UNAVAILABLE, {"Retry-After": "2"})
    raise error


def _on_pool_empty(_: PoolTimeout) -> Response:
    log.warning("no database connection free")
    return respond(UNAVAILABLE, {"Retry-After": "2"})
