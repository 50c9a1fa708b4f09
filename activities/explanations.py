"""Why: every code that a decision can carry, in Chinese and in English.

``{...}`` are facts of the activity; the API fills them in and adds the code itself.
"""

from activities.models import Activity

SENTENCES: dict[str, tuple[str, str]] = {
    "verified": ("已入账。", "Booked in full."),
    "daily_cap": (
        "减排量全部计入；当日积分已达上限，{trimmed_points} 分未发放。",
        "The saved CO2e counts in full; points withheld over the day's cap: {trimmed_points}.",
    ),
    "already_claimed": (
        "同一行为此前已经计入，不重复发放。",
        "The same act was already counted; it is not counted twice.",
    ),
    "event_id_reused": (
        "该编号已用于另一条内容不同的记录，本次未记录。",
        "This id already stands for an event with other content; nothing was recorded.",
    ),
    "unknown_scene": (
        "没有这个场景，无法核证。",
        "There is no such scene.",
    ),
    "unknown_resident": (
        "该居民未参加本场景所属的碳普惠项目。",
        "The resident does not take part in this scene's programme.",
    ),
    "bad_times": (
        "结束时间早于开始时间。",
        "It ends before it starts.",
    ),
    "in_future": (
        "发生时间晚于接收时间。",
        "It lies in the future.",
    ),
    "scene_not_approved": (
        "行为发生之日不在该场景的批准期内。",
        "On that day the scene was not approved.",
    ),
    "no_method": (
        "行为发生之日没有适用的方法学或积分标准。",
        "No method or tariff was in force on that day.",
    ),
    "quantity_out_of_range": (
        "数量 {quantity} 不在合理范围内。",
        "The quantity {quantity} is outside the plausible range.",
    ),
    "duration_out_of_range": (
        "持续时间 {duration_s} 秒不在合理范围内。",
        "A duration of {duration_s} s is outside the plausible range.",
    ),
}


def explain(code: str, **facts: object) -> dict[str, str]:
    """The sentence of a code in both languages, facts filled in: {"zh-CN": …, "en": …}."""
    zh, en = SENTENCES[code]
    return {"zh-CN": zh.format_map(facts), "en": en.format_map(facts)}


def why(activity: Activity) -> dict[str, str]:
    """Why a recorded activity was decided as it was, in both languages."""
    return explain(
        activity.code,
        quantity=activity.quantity,
        duration_s=int((activity.ended_at - activity.started_at).total_seconds()),
        trimmed_points=activity.trimmed_points,
    )
