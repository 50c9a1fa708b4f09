"""Refusals about who somebody is and what they may do."""

from service.errors import NotAsDelegate, OutOfReach, WrongRole
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
    errors.ResidentReused: kind(
        409, "resident-id-reused",
        ("登记编号已被使用", "Registration id already used"),
        ("该编号已用于另一项登记。", "This id already stands for another registration."),
        "resident_id",
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
    NotAsDelegate: kind(
        403, "not-as-delegate",
        ("代办人不能执行此操作", "Not as a delegate"),
        ("此项须本人（未满 14 周岁的由监护人）办理，或由本人另行授权。",
         "The resident does this in person (for a child under 14 the guardian), or allows it."),
    ),
    errors.AccountClosed: kind(
        410, "account-closed",
        ("账户已注销", "Account closed"),
        ("该账户已注销，个人信息已删除。", "The account is closed; nothing personal is kept."),
    ),
}  # fmt: skip
