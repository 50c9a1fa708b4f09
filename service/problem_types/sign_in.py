"""Refusals of signing up and in."""

from service.identity.logins import errors
from service.problem_types.kinds import ProblemType, kind

TYPES: dict[type[Exception], ProblemType] = {
    errors.LoginMethodNotOffered: kind(
        404, "login-method-not-offered",
        ("不提供该登录方式", "Way to sign in not offered"),
        ("本服务不提供 {method} 登录。", "This service does not offer signing in by {method}."),
        "method",
    ),
    errors.CodeNotRight: kind(
        401, "code-not-right",
        ("验证码不正确", "Code not right"),
        ("验证码不正确或已失效。", "The code is not right, or not good any more."),
    ),
    errors.CodesAway: kind(
        503, "codes-unavailable",
        ("暂时无法核对", "Cannot be checked now"),
        ("验证码服务暂时不可用，请稍后再试。", "Codes cannot be sent or checked for the moment."),
    ),
    errors.SmsNotSent: kind(
        503, "sms-not-sent",
        ("短信未发出", "Message not sent"),
        ("短信未能发出，验证码已作废，请稍后重新获取。",
         "The message could not be sent and its code is void. Ask for another in a while."),
    ),
    errors.LoginNotProven: kind(
        401, "login-not-proven",
        ("登录未获证实", "Login not proven"),
        ("{method} 登录未获证实：凭据无效、已过期或已使用。",
         "Signing in by {method} was not proven: it is invalid, has expired or was used before."),
        "method",
    ),
    errors.LoginProviderRefuses: kind(
        403, "login-provider-refuses",
        ("对方拒绝该用户登录", "Refused by the provider"),
        ("{method} 因安全风险拒绝了该用户。", "{method} refuses this user as a risk."),
        "method",
    ),
    errors.LoginProviderAway: kind(
        503, "login-provider-away",
        ("登录服务方暂无响应", "Provider does not answer"),
        ("{method} 暂无响应，请稍后重新登录。",
         "{method} does not answer. Start again in a while."),
        "method",
    ),
    errors.RedirectNotAllowed: kind(
        422, "redirect-not-allowed",
        ("返回地址未登记", "Redirect address not allowed"),
        ("redirect_url 不在已登记的地址之中。",
         "redirect_url is none of the registered addresses."),
    ),
    errors.SignUpTokenNotRight: kind(
        401, "sign-up-token-not-right",
        ("注册凭证无效", "Sign-up token not right"),
        ("注册凭证无效或已过期，请重新验证。",
         "The token is not good or has ended. Sign in again."),
    ),
    errors.GuardianNeeded: kind(
        403, "guardian-needed",
        ("须由监护人办理", "A guardian is needed"),
        ("未满 14 周岁须由监护人登记，未保存任何内容。",
         "A guardian registers a child under 14; nothing was kept."),
    ),
    errors.TermsOutdated: kind(
        409, "terms-outdated",
        ("条款已更新", "Terms have changed"),
        ("现行条款为第 {terms_version} 版。", "The terms in force are version {terms_version}."),
        "terms_version",
    ),
    errors.PhoneTaken: kind(
        409, "phone-taken",
        ("手机号已被使用", "Phone already in use"),
        ("该手机号已属于另一位居民。", "The phone is another resident's."),
    ),
}  # fmt: skip
