"""Refusals at the till: vouchers, what an offline till sends, and live codes."""

from rewards import errors as rewards
from rewards.tills import errors as tills
from service.problem_types.kinds import ProblemType, kind

TYPES: dict[type[Exception], ProblemType] = {
    rewards.UnknownVoucher: kind(
        404, "unknown-voucher",
        ("券码无效", "Unknown voucher"),
        ("本商户没有这张券：请核对券码，或该券属于其他商户。",
         "This merchant has no such voucher: check the code, or it is another merchant's."),
    ),
    rewards.VoucherConsumed: kind(
        409, "voucher-consumed",
        ("券已使用", "Voucher already used"),
        ("该券已于 {consumed_at} 在{shop}使用。",
         "The voucher was used at {consumed_at} in {shop}."),
        "consumed_at", "consumption_id", "shop_id", "shop",
    ),
    rewards.VoucherLapsed: kind(
        410, "voucher-lapsed",
        ("券已失效", "Voucher lapsed"),
        ("券的主人已于 {lapsed_at} 注销账户，券随之失效。",
         "Its owner closed the account at {lapsed_at}; the voucher lapsed with it."),
        "lapsed_at",
    ),
    rewards.ConsumptionReused: kind(
        409, "consumption-id-reused",
        ("核销编号已被使用", "Consumption id already used"),
        ("该编号已用于另一张券。", "This id already stands for the use of another voucher."),
    ),
    tills.VoucherExpired: kind(
        410, "voucher-expired",
        ("券已过期", "Voucher expired"),
        ("该券的有效期至 {expires_at}。", "The voucher was good until {expires_at}."),
        "expires_at",
    ),
    tills.VoucherCancelled: kind(
        410, "voucher-cancelled",
        ("券已取消", "Voucher cancelled"),
        ("券的主人已于 {cancelled_at} 取消兑换。", "Its owner gave it back at {cancelled_at}."),
        "cancelled_at",
    ),
    tills.VoucherRefunded: kind(
        409, "voucher-refunded",
        ("券已退款", "Voucher refunded"),
        ("该券已于 {consumed_at} 使用，并于 {refunded_at} 退款。",
         "The voucher was used at {consumed_at} and refunded at {refunded_at}."),
        "consumed_at", "refunded_at",
    ),
    tills.VoucherNotHere: kind(
        409, "voucher-not-here",
        ("该券不在本店使用", "Voucher is for other shops"),
        ("该券仅限 shop_ids 所列门店；收银端请注明 shop_id。",
         "The voucher is for the shops in shop_ids; the till has to name its shop_id."),
        "shop_ids",
    ),
    tills.ScannerRetired: kind(
        409, "scanner-retired",
        ("扫码设备已停用", "Scanner retired"),
        ("该设备已于 {retired_at} 停用。", "The scanner was retired at {retired_at}."),
        "scanner_id", "retired_at",
    ),
    rewards.UnknownConsumption: kind(
        404, "unknown-consumption",
        ("没有该次核销", "Unknown consumption"),
        ("没有该次核销，或不在您的授权范围内。",
         "There is no such consumption, or it is out of your grant's reach."),
    ),
    tills.ReversalTooLate: kind(
        409, "reversal-too-late",
        ("已过撤销期限", "Too late to reverse"),
        ("核销于 {consumed_on}，只能当日撤销，今天是 {today}；退款请联系项目方。",
         "It was taken on {consumed_on} and could be reversed that day; today is {today}. Refunds"
         " are the programme's."),
        "consumed_on", "today",
    ),
    tills.ScanNotSigned: kind(
        403, "scan-not-signed",
        ("签名不符", "Signature does not fit"),
        ("签名不是该扫码设备所签，或内容在签名后被改动。",
         "The signature is not this scanner's, or something was changed after it was signed."),
        "scanner_id",
    ),
    tills.ScanTooOld: kind(
        409, "scan-too-old",
        ("上传过晚", "Sent too late"),
        ("扫码时间为 {scanned_at}，须在 {hours_max} 小时内上传；若券仍有效，请在线核销。",
         "It was scanned at {scanned_at} and had to be sent within {hours_max} hours. A voucher"
         " that is still good can be taken online."),
        "scanned_at", "hours_max",
    ),
    tills.ScanInFuture: kind(
        409, "scan-in-future",
        ("扫码设备的时钟不准", "Scanner's clock is wrong"),
        ("扫码时间 {scanned_at} 晚于现在（{now}），请校准时钟后重传。",
         "It was scanned at {scanned_at}, later than now ({now}). Set the clock, and send it"
         " again."),
        "scanned_at", "now",
    ),
    tills.UnknownLiveCode: kind(
        404, "unknown-live-code",
        ("动态码无效", "Unknown live code"),
        ("没有手机出示过该动态码。", "No phone that we know shows this code."),
    ),
    tills.LiveCodeOffTime: kind(
        409, "live-code-off-time",
        ("动态码已过时", "Live code of another time"),
        ("该码的时间为 {shown_at}，现在是 {now}：请出示新码，或校准手机时钟。",
         "The code is of {shown_at}, and it is {now}: show a new one, or set the phone's clock."),
        "shown_at", "now",
    ),
    tills.LiveCodeUsed: kind(
        409, "live-code-used",
        ("动态码已使用", "Live code already used"),
        ("该码（{shown_at}）或更新的码已被扫过，请等待下一个码。",
         "This code ({shown_at}) or a newer one was read before: wait for the next."),
        "shown_at", "newest_shown_at",
    ),
    tills.CodeDeviceEnded: kind(
        410, "code-device-ended",
        ("该手机已停用动态码", "Phone shows codes no more"),
        ("该手机已于 {ended_at} 停用动态码。", "The phone was signed off at {ended_at}."),
        "ended_at",
    ),
    tills.UnknownCodeDevice: kind(
        404, "unknown-code-device",
        ("没有该手机", "Unknown phone"),
        ("您没有登记过该手机。", "You have no such phone."),
    ),
    tills.CodeDeviceReused: kind(
        409, "code-device-id-reused",
        ("手机编号已被使用", "Phone's id already used"),
        ("该编号已用于另一部手机。", "This id already stands for another phone."),
    ),
    tills.TooManyCodeDevices: kind(
        409, "too-many-code-devices",
        ("手机过多", "Too many phones"),
        ("最多 {devices_max} 部手机可出示动态码，请先停用一部。",
         "{devices_max} phones at most show codes: sign one off first."),
        "devices_max",
    ),
    tills.UnknownScan: kind(
        404, "unknown-scan",
        ("没有该次扫码", "Unknown scan"),
        ("本商户没有该次扫码。", "This merchant has no such scan."),
    ),
    tills.ScanReused: kind(
        409, "scan-id-reused",
        ("扫码编号已被使用", "Scan id already used"),
        ("该编号已用于另一次扫码。", "This id already stands for another scan."),
    ),
    tills.ScanOver: kind(
        410, "scan-over",
        ("扫码已失效", "Scan is over"),
        ("该次扫码已于 {ended_at} 失效，请重新扫码。",
         "The scan was over at {ended_at}: scan again."),
        "ended_at",
    ),
    tills.ResidentGone: kind(
        410, "resident-gone",
        ("账户已注销", "Account closed"),
        ("出示者已注销账户。", "Who showed the code has closed the account."),
    ),
    tills.ResidentLacksPoints: kind(
        409, "resident-lacks-points",
        ("顾客积分不足", "Customer lacks points"),
        ("需要 {need_points} 分，出示者的可用积分不足，未扣积分。",
         "{need_points} points needed; who showed the code has fewer, and none were taken."),
        "need_points",
    ),
    tills.NotForTills: kind(
        409, "not-for-tills",
        ("不能在门店兑换", "Not handed out in shops"),
        ("该商品没有券，不能在门店兑换。", "The offer gives no voucher: nothing is handed out."),
    ),
}  # fmt: skip
