"""Refusals about merchants, agreements, budgets and donation projects."""

from rewards.merchants import errors as merchants
from rewards.offers import budget_errors as budgets
from service.merchants import errors as bank
from service.problem_types.kinds import ProblemType, kind

TYPES: dict[type[Exception], ProblemType] = {
    merchants.BadCreditCode: kind(
        422, "bad-credit-code",
        ("统一社会信用代码有误", "Not a unified social credit code"),
        ("代码应为 18 位、不含 I、O、S、V、Z，且末位校验相符（GB 32100-2015）；不符之处：{wrong}。",
         "A code has 18 characters, no I, O, S, V or Z, and a last one that checks the others"
         " (GB 32100-2015); what does not hold: {wrong}."),
        "wrong",
    ),
    merchants.CreditCodeStays: kind(
        409, "credit-code-stays",
        ("信用代码不可更改", "The credit code stays"),
        ("商户审批后，其统一社会信用代码不再更改；另一家法人请另行录入。",
         "Once a merchant was approved its code stays; enter another legal person as another"
         " merchant."),
    ),
    merchants.CreditCodeMissing: kind(
        409, "credit-code-missing",
        ("缺少信用代码", "The credit code is missing"),
        ("请先填写商户的统一社会信用代码，再予审批。",
         "Enter the merchant's unified social credit code, then approve."),
    ),
    merchants.MerchantReused: kind(
        409, "merchant-id-reused",
        ("商户编号已被使用", "Merchant id already used"),
        ("该编号已用于另一家商户。", "This id already stands for another merchant."),
    ),
    merchants.MerchantStepRefused: kind(
        409, "merchant-step-refused",
        ("商户状态不允许", "Not from this state"),
        ("商户当前状态为 {state}，不能变为 {asked_state}。",
         "The merchant is {state}, and from there does not become {asked_state}."),
        "state", "asked_state",
    ),
    merchants.MerchantEnded: kind(
        409, "merchant-ended",
        ("商户已终止", "The merchant has ended"),
        ("商户已终止合作，不再更改。", "The merchant has ended; nothing of it changes any more."),
    ),
    merchants.OffersStillOpen: kind(
        409, "offers-still-open",
        ("尚有商品未结束", "Offers have not ended"),
        ("该商户尚有 {open_offers} 个商品未结束，请先结束。",
         "{open_offers} offers of the merchant have not ended: end them first."),
        "open_offers",
    ),
    merchants.MerchantIsOwed: kind(
        409, "merchant-is-owed",
        ("尚未结清", "Not settled yet"),
        ("与该商户尚有 {owed_fen} 分未结清，请先暂停，结算并付款后再终止。",
         "{owed_fen} fen are still owed to the merchant: suspend it, settle and pay, then end it."),
        "owed_fen",
    ),
    merchants.UnknownShop: kind(
        404, "unknown-shop",
        ("没有该门店", "Unknown shop"),
        ("该商户没有这家门店。", "The merchant has no such shop."),
    ),
    merchants.ShopReused: kind(
        409, "shop-id-reused",
        ("门店编号已被使用", "Shop id already used"),
        ("该编号已用于另一家门店。", "This id already stands for another shop."),
    ),
    merchants.UnknownScanner: kind(
        404, "unknown-scanner",
        ("没有该扫码设备", "Unknown scanner"),
        ("该商户没有这台扫码设备。", "The merchant has no such scanner."),
    ),
    merchants.ScannerReused: kind(
        409, "scanner-id-reused",
        ("设备编号已被使用", "Scanner id already used"),
        ("该编号已用于另一台设备，或该设备已停用。",
         "This id already stands for another scanner, or for one that is retired."),
    ),
    merchants.UnknownAgreement: kind(
        404, "unknown-agreement",
        ("没有该协议", "Unknown agreement"),
        ("该商户没有这份协议。", "The merchant has no such agreement."),
    ),
    merchants.AgreementReused: kind(
        409, "agreement-id-reused",
        ("协议编号已被使用", "Agreement id already used"),
        ("该编号已用于另一份协议；协议只能提前结束，其他条款请另立一份。",
         "This id already stands for another agreement. One is only ever shortened: for other"
         " terms make another."),
    ),
    merchants.AgreementInUse: kind(
        409, "agreement-in-use",
        ("协议仍在使用", "The agreement is in use"),
        ("有 {open_offers} 个在售商品依据该协议结算，协议最早可于 {needed_to} 结束。",
         "{open_offers} offers on sale are settled by it; it can end on {needed_to} at the"
         " earliest."),
        "open_offers", "needed_to",
    ),
    merchants.PriceRuleDoesNotFit: kind(
        422, "price-rule-does-not-fit",
        ("协议内容不符", "The agreement does not hold together"),
        ("固定价填 fixed_fen，按面值比例填 share_bp，免费两者皆不填；结束日应晚于起始日。"
         "不符之处：{wrong}。",
         "`fixed` has fixed_fen, `share` has share_bp, `free` neither, and it ends after it begins;"
         " what does not hold: {wrong}."),
        "wrong",
    ),
    bank.NoBankDetails: kind(
        404, "no-bank-details",
        ("未登记收款账户", "No bank details"),
        ("该商户尚未登记收款账户。", "The merchant has told no bank details."),
    ),
    budgets.UnknownBudget: kind(
        404, "unknown-budget",
        ("没有该预算", "Unknown budget"),
        ("预算不存在，或不在您的授权范围内。",
         "There is no such budget, or it is out of your grant's reach."),
    ),
    budgets.BudgetReused: kind(
        409, "budget-id-reused",
        ("预算编号已被使用", "Budget id already used"),
        ("该编号已用于另一笔预算；所属项目与起始日不可更改。",
         "This id already stands for another budget: programme and first day stay."),
    ),
    budgets.BudgetDoesNotFit: kind(
        422, "budget-does-not-fit",
        ("预算内容不符", "The budget does not hold together"),
        ("金额不得为负，结束日应晚于起始日。不符之处：{wrong}。",
         "The sum is not below zero, and it ends after it begins; what does not hold: {wrong}."),
        "wrong",
    ),
    budgets.BudgetDrawn: kind(
        409, "budget-drawn",
        ("预算已被动用", "The budget is drawn"),
        ("商品已占用 {drawn_fen} 分，预算不能低于此数。",
         "Offers have drawn {drawn_fen} fen of it; it is not lowered below that."),
        "drawn_fen", "total_fen",
    ),
    budgets.UnknownProject: kind(
        404, "unknown-donation-project",
        ("没有该公益项目", "Unknown donation project"),
        ("公益项目不存在，或不在您的授权范围内。",
         "There is no such donation project, or it is out of your grant's reach."),
    ),
    budgets.ProjectReused: kind(
        409, "donation-project-id-reused",
        ("公益项目编号已被使用", "Donation project id already used"),
        ("该编号已用于另一个公益项目；名称、受赠商户与目标不可更改。",
         "This id already stands for another project: its name, merchant and goal stay."),
    ),
    budgets.GoalNotPositive: kind(
        422, "goal-not-positive",
        ("目标应大于零", "A goal above zero"),
        ("公益项目的目标积分应大于零。", "A donation project asks for a point at least."),
    ),
}  # fmt: skip
