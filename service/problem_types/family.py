"""Refusals about who acts for whom."""

from service.identity.family import errors
from service.problem_types.kinds import ProblemType, kind

TYPES: dict[type[Exception], ProblemType] = {
    errors.NotAChild: kind(
        422, "not-a-child",
        ("不是未满 14 周岁的儿童", "Not a child under 14"),
        ("监护人只为未满 14 周岁的儿童登记。", "A guardian registers children under 14 only."),
    ),
    errors.ChildReused: kind(
        409, "child-id-reused",
        ("儿童编号已被使用", "Child's id already used"),
        ("该编号已用于另一名儿童的登记。", "This id already stands for a child with other data."),
        "child_id",
    ),
    errors.TooManyDelegations: kind(
        409, "too-many-delegations",
        ("代办关系已达上限", "Too many delegations"),
        ("最多 {delegations_max} 项。", "There are {delegations_max} at most."),
        "delegations_max",
    ),
    errors.OfferNotGood: kind(
        422, "offer-code-not-good",
        ("授权码不正确", "Code not good"),
        ("授权码不正确、已过期或已使用。", "The code is not right, has expired or was used."),
    ),
    errors.DelegationReused: kind(
        409, "delegation-id-reused",
        ("代办编号已被使用", "Delegation id already used"),
        ("该编号的代办关系已经结束。", "What stood under this id has ended."),
        "delegation_id",
    ),
    errors.UnknownDelegation: kind(
        404, "unknown-delegation",
        ("没有该代办关系", "Unknown delegation"),
        ("没有这项代办关系，或已结束。", "There is no such delegation, or it has ended."),
        "delegation_id",
    ),
    errors.GuardianshipOver: kind(
        409, "guardianship-over",
        ("监护代办已结束", "Guardianship is over"),
        ("孩子已年满 14 周岁，由本人使用账户。", "The child is fourteen and acts for themselves."),
    ),
    errors.GuardianStays: kind(
        409, "guardian-stays",
        ("监护关系不能解除", "A guardian stays"),
        ("未满 14 周岁的儿童须有监护人。", "A child under 14 needs a guardian."),
    ),
}  # fmt: skip
