"""Refusals of drafting, publishing and stocking offers."""

from rewards.offers import errors as offers
from service.problem_types.kinds import ProblemType, kind

TYPES: dict[type[Exception], ProblemType] = {
    offers.PriceNotPositive: kind(
        422, "price-not-positive",
        ("价格须为正数", "The price must be positive"),
        ("商品至少一个积分，{price_points} 不是价格。",
         "An offer costs at least one point; {price_points} is no price."),
        "price_points",
    ),
    offers.TitleMissing: kind(
        422, "title-missing",
        ("缺少标题", "The title is missing"),
        ("中文和英文标题都要填写。", "An offer has a title in Chinese and one in English."),
    ),
    offers.SaleWindowReversed: kind(
        422, "sale-window-reversed",
        ("兑换期首尾颠倒", "The sale ends before it begins"),
        ("兑换期从 {on_sale_from} 到 {on_sale_to}，止早于起。",
         "From {on_sale_from} to {on_sale_to}: the end must be later."),
        "on_sale_from", "on_sale_to",
    ),
    offers.TermNotOfKind: kind(
        422, "term-not-of-kind",
        ("条款不适用", "A term does not fit"),
        ("{offer_kind} 类商品不能这样填写 {field}。",
         "An offer of the kind {offer_kind} cannot have this {field}."),
        "offer_kind", "field",
    ),
    offers.ShopNotOfMerchant: kind(
        422, "shop-not-of-merchant",
        ("不是本商户的门店", "Not a shop of the merchant"),
        ("商户没有门店 {shop_id}，或已关闭。", "The merchant has no open shop {shop_id}."),
        "shop_id",
    ),
    offers.UnknownPicture: kind(
        404, "unknown-picture",
        ("没有该图片", "Unknown picture"),
        ("没有图片 {sha256}，请先上传。", "There is no picture {sha256}; send it first."),
        "sha256",
    ),
    offers.AgreementNotInForce: kind(
        409, "agreement-not-in-force",
        ("没有有效的合同", "No agreement is in force"),
        ("商户没有覆盖兑换期 {on_sale_from} 至 {on_sale_to} 的合同。",
         "No agreement with the merchant covers the sale from {on_sale_from} to {on_sale_to}."),
        "on_sale_from", "on_sale_to",
    ),
    offers.BudgetMissing: kind(
        409, "budget-missing",
        ("缺少预算", "A budget is missing"),
        ("每份须由项目支付 {settlement_fen} 分，请指定本项目的预算。",
         "Each unit costs the programme {settlement_fen} fen: name one of its budgets."),
        "settlement_fen",
    ),
    offers.ProjectMissing: kind(
        409, "project-missing",
        ("公益项目不符", "The donation project does not fit"),
        ("捐赠须指定本商户名下未关闭的公益项目，其他商品不得指定。",
         "A donation names an open project of this merchant; nothing else names one."),
    ),
    offers.OfferReused: kind(
        409, "offer-id-reused",
        ("商品编号已被使用", "Offer id already used"),
        ("该编号已用于另一商品；类别、商户、预算和公益项目不可更改。",
         "This id stands for another offer: kind, merchant, budget and project stay."),
    ),
    offers.UnknownOfferVersion: kind(
        404, "unknown-offer-version",
        ("没有该版本", "Unknown version"),
        ("商品没有第 {version} 版。", "The offer has no version {version}."),
        "version",
    ),
    offers.MerchantNotApproved: kind(
        409, "merchant-not-approved",
        ("商户未获批准", "The merchant is not approved"),
        ("商户状态为 {state}，不能这样做。", "The merchant is {state}: this is not possible."),
        "state",
    ),
    offers.OfferStateRefuses: kind(
        409, "offer-state-refuses",
        ("商品状态不允许", "The offer's state does not allow it"),
        ("商品状态为 {state}，不能这样做。", "The offer is {state}: this is not possible."),
        "state",
    ),
    offers.StockChangeReused: kind(
        409, "stock-change-id-reused",
        ("库存变更编号已被使用", "Stock change id already used"),
        ("该编号已用于另一数量的库存变更。", "This id already stands for another number of units."),
    ),
    offers.StockTooLow: kind(
        409, "stock-too-low",
        ("库存不足", "Too few units are left"),
        ("要撤回 {withdrawn_units} 份，只剩 {stock_units} 份。",
         "{withdrawn_units} units were to be withdrawn, {stock_units} are left."),
        "stock_units", "withdrawn_units",
    ),
    offers.StockOfPool: kind(
        409, "stock-of-pool",
        ("库存方式不符", "Stock of another sort"),
        ("自有券码商品的库存就是上传的券码，其他商品不收券码文件。",
         "The stock of an offer of own codes is its files of codes; no other offer takes any."),
    ),
    offers.PoolFileReused: kind(
        409, "code-file-id-reused",
        ("券码文件编号已被使用", "Code file id already used"),
        ("该编号已用于另一个文件。", "This id already stands for another file."),
    ),
    offers.PoolLineEmpty: kind(
        422, "code-line-empty",
        ("券码文件有空行", "A line without a code"),
        ("第 {line} 行没有券码。整个文件未载入。",
         "Line {line} has no code. Nothing of the file was loaded."),
        "line",
    ),
    offers.PoolCodeTooLong: kind(
        422, "code-too-long",
        ("券码过长", "A code is too long"),
        ("第 {line} 行超过 {length_max} 个字符。整个文件未载入。",
         "Line {line} has more than {length_max} characters. Nothing of the file was loaded."),
        "line", "length_max",
    ),
    offers.PoolCodeUnprintable: kind(
        422, "code-unprintable",
        ("券码不可读", "A code is not text"),
        ("第 {line} 行含控制字符，或既非 UTF-8 也非 GB 18030。整个文件未载入。",
         "Line {line} has control characters, or is neither UTF-8 nor GB 18030. Nothing of the"
         " file was loaded."),
        "line",
    ),
    offers.PoolCodeRepeated: kind(
        422, "code-repeated",
        ("券码重复", "A code is repeated"),
        ("第 {line} 行与第 {first_line} 行相同。整个文件未载入。",
         "Line {line} has the same code as line {first_line}. Nothing of the file was loaded."),
        "line", "first_line",
    ),
    offers.PoolCodeKnown: kind(
        422, "code-known",
        ("券码已载入过", "A code was loaded before"),
        ("第 {line} 行的券码已在本商户的券码池中。整个文件未载入。",
         "The code on line {line} is in a pool of the merchant. Nothing of the file was loaded."),
        "line",
    ),
    offers.PoolFileTooLong: kind(
        422, "code-file-too-long",
        ("券码过多", "Too many codes"),
        ("一个文件最多 {codes_max} 个券码，第 {line} 行超出。整个文件未载入。",
         "A file has at most {codes_max} codes; line {line} is beyond. Nothing was loaded."),
        "line", "codes_max",
    ),
    offers.NotAPicture: kind(
        422, "not-a-picture",
        ("不是图片", "Not a picture"),
        ("请上传 PNG、JPEG 或 WebP 图片。", "Send a PNG, JPEG or WebP picture."),
    ),
    offers.PictureTooLarge: kind(
        413, "picture-too-large",
        ("图片过大", "The picture is too large"),
        ("图片最大 {size_max_bytes} 字节。", "A picture has at most {size_max_bytes} bytes."),
        "size_max_bytes",
    ),
}  # fmt: skip
