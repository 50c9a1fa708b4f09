"""Refusals about offers and redemptions."""

from rewards import errors as rewards
from service.problem_types.kinds import ProblemType, kind

TYPES: dict[type[Exception], ProblemType] = {
    rewards.UnknownMerchant: kind(
        404, "unknown-merchant",
        ("没有该商户", "Unknown merchant"),
        ("商户不存在，或不在您的授权范围内。",
         "There is no such merchant, or it is out of your grant's reach."),
    ),
    rewards.UnknownOffer: kind(
        404, "unknown-offer",
        ("没有该商品", "Unknown offer"),
        ("商品不存在。", "There is no such offer."),
    ),
    rewards.OfferNotOnSale: kind(
        409, "offer-not-on-sale",
        ("不在兑换期内", "Not on sale"),
        ("该商品的兑换期为 {on_sale_from} 至 {on_sale_to}。",
         "The offer is on sale from {on_sale_from} to {on_sale_to}."),
        "on_sale_from", "on_sale_to",
    ),
    rewards.SoldOut: kind(
        409, "sold-out",
        ("已兑完", "Sold out"),
        ("该商品已兑完，未扣积分。", "The offer is sold out; no points were taken."),
    ),
    rewards.RedemptionReused: kind(
        409, "redemption-id-reused",
        ("兑换编号已被使用", "Redemption id already used"),
        ("该编号已用于另一次兑换。", "This id already stands for another redemption."),
    ),
    rewards.UnknownRedemption: kind(
        404, "unknown-redemption",
        ("没有该次兑换", "Unknown redemption"),
        ("兑换不存在或不属于您。", "The redemption does not exist or is not yours."),
    ),
}  # fmt: skip
