"""Refusals about who somebody is and what they may do."""

from service.errors import NotAsDelegate, OutOfReach, SignInAgain, WrongRole
from service.identity import errors
from service.identity.tokens import InvalidToken
from service.problem_types.kinds import ProblemType, kind

TYPES: dict[type[Exception], ProblemType] = {
    errors.UnknownCard: kind(
        404, "unknown-card",
        ("没有该卡", "Unknown card"),
        ("没有居民持有该卡号。", "No resident has a card of this number."),
    ),
    errors.CardTaken: kind(
        409, "card-taken",
        ("卡已有主", "Card already given"),
        ("该卡已属于另一位居民。", "The card is another resident's."),
    ),
    errors.CardRequestReused: kind(
        409, "card-request-id-reused",
        ("请求编号已被使用", "Request id already used"),
        ("该编号已用于另一张卡或另一项操作。", "This id already stands for another card or act."),
        "request_id",
    ),
    errors.BirthDateFixed: kind(
        409, "birth-date-fixed",
        ("出生日期不能修改", "Birth date already stated"),
        ("出生日期只填写一次。", "A birth date is stated once."),
    ),
    errors.ResidentReused: kind(
        409, "resident-id-reused",
        ("登记编号已被使用", "Registration id already used"),
        ("该编号已用于另一项登记。", "This id already stands for another registration."),
        "resident_id",
    ),
    errors.SessionEnded: kind(
        401, "session-ended",
        ("登录已失效", "Session ended"),
        ("请重新登录。", "The refresh token is good no longer. Sign in again."),
    ),
    InvalidToken: kind(
        401, "invalid-token",
        ("未登录或凭证无效", "Not signed in"),
        ("请重新登录。", "The request carries no valid access token."),
    ),
    WrongRole: kind(
        403, "wrong-role",
        ("没有权限", "Not allowed"),
        ("您的角色不能执行此操作。", "Your role may not do this."),
    ),
    OutOfReach: kind(
        403, "out-of-reach",
        ("超出授权范围", "Out of reach"),
        ("此项只对全部项目的授权开放。", "This is for grants of all programmes and divisions."),
    ),
    SignInAgain: kind(
        403, "sign-in-again",
        ("请重新登录", "Sign in again"),
        ("为保护账户，更换手机号和注销须在登录后 10 分钟内办理。",
         "To protect the account, this is done within ten minutes of signing in."),
    ),
    NotAsDelegate: kind(
        403, "not-as-delegate",
        ("代办人不能执行此操作", "Not as a delegate"),
        ("此项须本人（未满 14 周岁的由监护人）办理，或由本人另行授权。",
         "The resident does this in person (for a child under 14 the guardian), or allows it."),
    ),
    errors.OpenOrders: kind(
        409, "open-orders",
        ("还有未了结的订单", "Open orders"),
        ("holds 列出为订单预留的积分及其期限，top_ups 列出尚在办理的充值，vouchers 列出尚未使用的券"
         "；请先了结，或放弃未使用的券（forfeit_vouchers=true）。账户未注销。",
         "holds lists points held for orders and until when, top_ups those on their way, vouchers"
         " those not used yet: settle them first, or give the vouchers up (forfeit_vouchers=true)."
         " Nothing was closed."),
        "holds", "top_ups", "vouchers",
    ),
    errors.ChildrenLeft: kind(
        409, "children-left",
        ("名下还有儿童账户", "Children's accounts left"),
        ("您是 children 所列账户的监护人。请先移交监护，或注销这些账户。账户未注销。",
         "You are the guardian of the accounts in children: hand them over or close them first."
         " Nothing was closed."),
        "children",
    ),
    errors.AccountClosed: kind(
        410, "account-closed",
        ("账户已注销", "Account closed"),
        ("该账户已注销，个人信息已删除。", "The account is closed; nothing personal is kept."),
    ),
}  # fmt: skip
