"""Refusals about staff, and about the keys of systems."""

from service.api_keys import errors as keys
from service.identity.staff import errors as staff
from service.problem_types.kinds import ProblemType, kind

TYPES: dict[type[Exception], ProblemType] = {
    staff.SignInRefused: kind(
        401, "sign-in-refused",
        ("登录被拒绝", "Sign-in refused"),
        ("登录名、密码或动态验证码不正确，或不能登录。",
         "Login, password and second factor do not go together, or may not sign in."),
    ),
    staff.GrantNotChosen: kind(
        409, "grant-not-chosen",
        ("请选择一项授权", "Choose a grant"),
        ("您有多项授权，请选择以哪一项登录。", "You have several grants: name one of them."),
        "grants",
    ),
    staff.NoGrant: kind(
        403, "no-grant",
        ("没有任何授权", "No grant"),
        ("登录信息正确，但您没有有效的授权。", "All was right, but you have no grant in force."),
    ),
    staff.PasswordNotGood: kind(
        422, "password-not-good",
        ("新密码不符合要求", "New password not good"),
        ("新密码须为 12 至 128 个字符，不含登录名，也不是常见密码。",
         "A new password has 12 to 128 characters, is not the login and no common one."),
        "unmet",
    ),
    staff.UnknownInvitation: kind(
        404, "unknown-invitation",
        ("邀请无效", "Invitation not good"),
        ("没有这份邀请，或它已使用、已更换、已过期。",
         "There is no such invitation, or it was used, replaced or has expired."),
    ),
    staff.UnknownMember: kind(
        404, "unknown-member",
        ("没有该工作人员", "Nobody of the staff"),
        ("没有这位工作人员，或不在您的管理范围内。",
         "There is nobody of the staff like this, or not within your reach."),
    ),
    staff.MemberReused: kind(
        409, "member-id-reused",
        ("工作人员编号已被使用", "Member id already used"),
        ("该编号已用于另一登录名；登录名不能更改。",
         "This id already stands for another login; a login is never changed."),
        "member_id",
    ),
    staff.LoginTaken: kind(
        409, "login-taken",
        ("登录名已被使用", "Login taken"),
        ("登录名 {login} 已属于他人。", "The login {login} is somebody else’s."),
        "login",
    ),
    staff.NoSuchGrant: kind(
        404, "no-such-grant",
        ("没有该授权", "No such grant"),
        ("此人没有编号为 {grant_id} 的授权。", "This person has no grant {grant_id}."),
        "grant_id",
    ),
    staff.GrantReused: kind(
        409, "grant-id-reused",
        ("授权编号已被使用", "Grant id already used"),
        ("编号 {grant_id} 已用于另一项授权，或该授权已终止。",
         "The id {grant_id} stands for another grant, or for one that has ended."),
        "grant_id",
    ),
    staff.GrantDoesNotFit: kind(
        422, "grant-does-not-fit",
        ("范围与角色不符", "Scope does not fit the role"),
        ("角色 {role} 的范围应为：{needed_scope}（merchant：该项目的商户编号，partner：接入方代码，"
         "division：区划代码，none：不填）。",
         "The role {role} takes as scope: {needed_scope} (merchant: the id of a merchant of that"
         " programme, partner: its code, division: its code, none: nothing)."),
        "role", "needed_scope",
    ),
    staff.NotForOneself: kind(
        403, "not-for-oneself",
        ("不能为自己办理", "Not for oneself"),
        ("授权、重置和停用须由另一位管理员办理。", "Another administrator does this for you."),
    ),
    keys.UnknownApiKey: kind(
        404, "unknown-api-key",
        ("没有该接口密钥", "Unknown API key"),
        ("没有编号为 {key_id} 的接口密钥。", "There is no API key {key_id}."),
        "key_id",
    ),
    keys.ApiKeyReused: kind(
        409, "api-key-id-reused",
        ("接口密钥编号已被使用", "API key id already used"),
        ("编号 {key_id} 已用于另一把密钥，或该密钥已停用。",
         "The id {key_id} stands for another key, or for one that is retired."),
        "key_id",
    ),
    keys.TooManyApiKeys: kind(
        409, "too-many-api-keys",
        ("有效接口密钥过多", "Too many API keys"),
        ("该持有方已有 {live_max} 把有效密钥，请先停用一把。",
         "The owner has {live_max} keys in force; retire one first."),
        "live_max",
    ),
    keys.ApiKeyDoesNotFit: kind(
        422, "api-key-does-not-fit",
        ("接口密钥内容不符", "API key does not fit"),
        ("密钥的 {unfit} 不符合要求。", "The key’s {unfit} is not allowed."),
        "unfit",
    ),
    keys.VerificationFromTheFuture: kind(
        422, "verification-from-the-future",
        ("核验时间尚未到来", "Verification of the future"),
        ("verified_at 晚于当前时间。", "verified_at has not come yet."),
    ),
    keys.VerificationOutdated: kind(
        409, "verification-outdated",
        ("已有更晚的核验结果", "Later verification known"),
        ("核验机构在 {said_at} 已给出更晚的结果。", "The verifier’s word of {said_at} is later."),
        "said_at",
    ),
}  # fmt: skip
