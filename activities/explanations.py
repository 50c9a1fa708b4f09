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
    "weekly_cap": (
        "减排量全部计入；本周积分已达上限，{trimmed_points} 分未发放。",
        "The saved CO2e counts in full; points withheld over the week's cap: {trimmed_points}.",
    ),
    "monthly_cap": (
        "减排量全部计入；本月积分已达上限，{trimmed_points} 分未发放。",
        "The saved CO2e counts in full; points withheld over the month's cap: {trimmed_points}.",
    ),
    "yearly_cap": (
        "减排量全部计入；本年积分已达上限，{trimmed_points} 分未发放。",
        "The saved CO2e counts in full; points withheld over the year's cap: {trimmed_points}.",
    ),
    "sampled": (
        "该记录被随机抽中，等待人工复核，复核后入账。",
        "Drawn by lot for a person's review; it is booked after that.",
    ),
    "velocity": (
        "当日行为次数异常偏多，等待人工复核。",
        "Unusually many acts on one day; a person will look at it.",
    ),
    "shared_device": (
        "上报设备同时用于多位居民，等待人工复核。",
        "The device reports for many residents; a person will look at it.",
    ),
    "no_consent": (
        "行为发生时，您尚未同意该场景使用您的数据（或已撤回同意）。",
        "When it happened you had not agreed to this scene's use of your data, or no longer did.",
    ),
    "unknown_material": (
        "方法学中没有这种材料，或未注明材料。",
        "The method does not know this material, or none was named.",
    ),
    "too_late": (
        "上报过晚，已超过该行为的上报期限。",
        "It was reported too late.",
    ),
    "speed_out_of_range": (
        "按距离和时间计算的速度不合理。",
        "The speed, by distance and time, is not plausible.",
    ),
    "rate_out_of_range": (
        "单位时间内的数量不合理。",
        "The quantity per time is not plausible.",
    ),
    "stride_out_of_range": (
        "移动距离与数量不相符。",
        "The distance does not fit the quantity.",
    ),
    "outside_area": (
        "行为发生地不在该场景的范围内，或未注明地点。",
        "It happened outside the scene's area, or the place was not named.",
    ),
    "evidence_missing": (
        "缺少所需凭证，或凭证与数量不相符。",
        "The evidence asked for is missing or does not agree.",
    ),
    "attestation_missing": (
        "上报设备未通过可信验证。",
        "The reporting device was not attested.",
    ),
    "overlaps": (
        "同一时间已有另一项行为计入。",
        "Another act was counted for the same time.",
    ),
    "too_soon": (
        "与上一次同类行为间隔过短，视为同一次行为。",
        "Too soon after the last act of this kind: it is taken as the same one.",
    ),
    "place_jump": (
        "短时间内出现在相距很远的两地，不合理。",
        "Two distant places within a short time are not plausible.",
    ),
    "no_household": (
        "没有该月的家庭信息，或搬入时间晚于该月。",
        "The household was not declared for that month, or moved in later.",
    ),
    "solar_household": (
        "装有屋顶光伏的家庭，电表读数不等于用电量，不适用本方法。",
        "With a solar roof the meter does not show what is used; this method does not apply.",
    ),
    "top_tier_household": (
        "阶梯电价最高档家庭不适用本方法。",
        "Households in the tariff's top tier are left out by this method.",
    ),
    "no_saving": (
        "当月用电量不低于基准，没有减排量。",
        "The month's use was not below the baseline: nothing was saved.",
    ),
    "superseded": (
        "同一行为已由更权威的数据来源上报，以其为准，本记录不再计入。",
        "A weightier source reported the same act; that one counts and this one no longer does.",
    ),
    "withdrawn": (
        "该记录已撤回，相应的减排量和积分已扣回。",
        "It was withdrawn; what it earned was taken back.",
    ),
    "changed": (
        "该记录已更正，差额已入账。",
        "It was corrected; the difference was booked.",
    ),
    "recomputed": (
        "按更正后的方法学或因子重新计算，差额已入账。",
        "Computed anew by a corrected method or factor; the difference was booked.",
    ),
    "approved": (
        "人工复核通过，已入账。",
        "Approved by a person and booked.",
    ),
    "review_rejected": (
        "人工复核未通过。",
        "Refused by a person.",
    ),
    "overturned": (
        "申诉成立，已入账。",
        "The appeal was granted and it was booked.",
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
