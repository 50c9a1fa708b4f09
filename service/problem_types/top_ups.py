"""Refusals of top-ups."""

from rewards.redeeming import top_up_errors as top_ups
from service.gateway.errors import InvalidOutcome
from service.problem_types.kinds import ProblemType, kind

TYPES: dict[type[Exception], ProblemType] = {
    top_ups.NotATopUp: kind(
        409, "not-a-top-up",
        ("不是充值商品", "Not a top-up"),
        ("该商品不向卡内充值，兑换时请不要填写卡号。",
         "This offer puts money onto no card: redeem it without a card's number."),
    ),
    top_ups.CardMissing: kind(
        409, "card-number-missing",
        ("缺少卡号", "Card number missing"),
        ("充值类商品须填写卡号（card_number）。",
         "A top-up needs the number of the card (card_number)."),
    ),
    top_ups.TopUpsNotOffered: kind(
        409, "top-ups-not-offered",
        ("暂不提供充值", "Top-ups not offered"),
        ("本平台尚未接入充值网关，未扣积分。",
         "No gateway for top-ups is set up here; no points were taken."),
    ),
    top_ups.UnknownTopUp: kind(
        404, "unknown-top-up",
        ("没有该笔充值", "Unknown top-up"),
        ("充值不存在，或不在您的授权范围内。",
         "There is no such top-up, or it is out of your grant's reach."),
    ),
    InvalidOutcome: kind(
        422, "invalid-outcome",
        ("结果格式不符", "Not an outcome"),
        ("须为该笔充值的 done（含 reference）或 refused（含 reason），不得有其他字段。",
         "Send done with its reference or refused with its reason, of this order, and nothing"
         " else."),
    ),
    top_ups.TopUpContradicted: kind(
        409, "top-up-contradicted",
        ("与先前的结果矛盾", "Contradicts the first outcome"),
        ("该笔充值先前的结果为 {state}，以先前的为准；新的答复已记录，待人工处理。",
         "The top-up ended as {state} before, and that stands; this answer is kept for a person to"
         " look at."),
        "state",
    ),
}  # fmt: skip
