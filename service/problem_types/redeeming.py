"""Refusals of redemptions."""

from rewards.redeeming import errors as redeeming
from service.problem_types.kinds import ProblemType, kind

TYPES: dict[type[Exception], ProblemType] = {
    redeeming.OfferPaused: kind(
        409, "offer-paused",
        ("暂停兑换", "Paused"),
        ("该商品暂停兑换，未扣积分。", "The offer is paused; no points were taken."),
    ),
    redeeming.PriceChanged: kind(
        409, "price-changed",
        ("价格已变", "Price changed"),
        ("该商品现价 {price_points} 积分，未扣积分。",
         "The offer costs {price_points} points by now; no points were taken."),
        "price_points",
    ),
    redeeming.OfferEnded: kind(
        410, "offer-ended",
        ("已下架", "Offer ended"),
        ("该商品已下架，未扣积分。", "The offer has ended; no points were taken."),
    ),
    redeeming.MerchantSuspended: kind(
        409, "merchant-suspended",
        ("商户暂不可兑换", "Merchant does not sell now"),
        ("该商户目前不能兑换；已兑换的券仍可使用。",
         "Nothing of this merchant can be redeemed now; vouchers redeemed before stay good."),
        "merchant_id",
    ),
    redeeming.NotForDivision: kind(
        403, "not-for-division",
        ("不适用于您所在的区域", "Not for this division"),
        ("该商品仅限下列区域的居民兑换：{division_codes}。",
         "The offer is for residents of these divisions: {division_codes}."),
        "division_codes",
    ),
    redeeming.NotForScenes: kind(
        403, "not-for-scenes",
        ("需参加指定场景", "For participants of a scene"),
        ("请先授权以下任一场景，再兑换：{scene_codes}。",
         "Consent to one of these scenes first: {scene_codes}."),
        "scene_codes",
    ),
    redeeming.DailyLimitReached: kind(
        409, "daily-limit-reached",
        ("今日已兑完", "No more today"),
        ("该商品每天限 {daily_units} 份，请于 {opens_on} 再来。",
         "The offer gives {daily_units} a day; there are more on {opens_on}."),
        "daily_units", "opens_on",
    ),
    redeeming.ResidentLimitReached: kind(
        409, "resident-limit-reached",
        ("已达个人限额", "Your limit is reached"),
        ("每人限 {limit_units} 份，您已兑 {taken_units} 份；{opens_on} 起可再兑。",
         "{limit_units} for each resident; you had {taken_units}. Again from {opens_on}."),
        "period", "limit_units", "taken_units", "opens_on",
    ),
    redeeming.UnitsOutOfBounds: kind(
        422, "units-out-of-bounds",
        ("份数超限", "Units out of bounds"),
        ("一次可兑 1 至 {units_max} 份，此次 {units} 份。",
         "1 to {units_max} units can be redeemed at once; this asks for {units}."),
        "units", "units_max",
    ),
    redeeming.BudgetExhausted: kind(
        409, "budget-exhausted",
        ("活动经费已用完", "Budget exhausted"),
        ("该商品的活动经费已用完，或不在 {valid_from} 至 {valid_to} 之间，未扣积分。",
         "The programme's money for the offer is used up, or not for today ({valid_from} to"
         " {valid_to}); no points were taken."),
        "budget_id", "valid_from", "valid_to",
    ),
    redeeming.NeedsGateway: kind(
        409, "needs-gateway",
        ("请在应用内充值", "Ordered in the app"),
        ("充值由居民本人在应用内办理。", "A top-up is ordered by the resident, in the app."),
    ),
    redeeming.NotCancellable: kind(
        409, "not-cancellable",
        ("不能取消", "Not cancellable"),
        ("该兑换不能取消，或已过取消期限（见 cancel_until）。",
         "The redemption cannot be cancelled, or no longer: see cancel_until."),
        "cancel_until",
    ),
    redeeming.RedemptionEnded: kind(
        409, "redemption-ended",
        ("兑换已结束", "Redemption ended"),
        ("该兑换已于 {ended_at} 结束（{state}）。", "The redemption ended at {ended_at}: {state}."),
        "state", "ended_at",
    ),
    redeeming.NoVoucher: kind(
        404, "no-voucher",
        ("没有券", "No voucher"),
        ("该兑换没有券。", "What was redeemed has no voucher."),
    ),
    redeeming.NotRefundable: kind(
        409, "not-refundable",
        ("不能退还", "Not refundable"),
        ("充值和捐赠已到账，不能退还（{offer_kind}）。",
         "What a gateway or a project has received is not given back ({offer_kind})."),
        "offer_kind",
    ),
    redeeming.ConsumptionReversed: kind(
        409, "consumption-reversed",
        ("核销已撤销", "Consumption reversed"),
        ("商户已于 {reversed_at} 撤销该次核销，券可再次使用，无需退还。",
         "The merchant reversed this use at {reversed_at}: the voucher is good again, and nothing"
         " is to be refunded."),
        "reversed_at",
    ),
    redeeming.RefundReused: kind(
        409, "refund-reused",
        ("已退还", "Refunded before"),
        ("该次核销已由 {refunded_by} 于 {refunded_at} 以其他理由或身份退还。",
         "{refunded_by} refunded this use at {refunded_at}, by another name or for another"
         " reason."),
        "refunded_at", "refunded_by",
    ),
}  # fmt: skip
