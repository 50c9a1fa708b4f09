"""What rules and their results are called, for people; a test keeps the tables complete."""

from service.language import Text

RULES: dict[str, Text] = {
    # Fixed steps (activities.tracing.STEPS), in their order.
    "known": Text("场景和居民已登记", "Scene and resident known"),
    "times": Text("时间有先后且不在将来", "Times in order and not in the future"),
    "scene_approved": Text("场景在批准期内", "Scene approved on that day"),
    "consent": Text("居民已授权该场景", "Consent of the resident to the scene"),
    "method": Text("有适用的方法学和积分标准", "A method and a tariff in force"),
    "claimed_once": Text("同一行为只计一次", "The same act counted once"),
    "own_baseline": Text("家庭自身基准", "The household's own baseline"),
    # Kinds of rules (activities.rules).
    "freshness": Text("上报期限", "Reported in time"),
    "quantity_range": Text("数量合理", "Plausible quantity"),
    "duration_range": Text("时长合理", "Plausible duration"),
    "speed_range": Text("速度合理", "Plausible speed"),
    "rate_range": Text("频率合理", "Plausible rate"),
    "stride_range": Text("步幅合理", "Plausible stride"),
    "geofence": Text("在规定区域内", "Within the area"),
    "evidence_required": Text("附有凭证", "Evidence given"),
    "attestation_required": Text("设备可信", "Device attested"),
    "no_overlap": Text("时间不重叠", "No overlap in time"),
    "min_interval": Text("间隔足够", "Long enough after the one before"),
    "place_jump": Text("地点连贯", "No jump between places"),
    "velocity": Text("一日次数正常", "No unusual number of acts a day"),
    "shared_device": Text("设备未被多人共用", "Device not shared by many"),
    "sample": Text("抽样复核", "Drawn for review"),
    "daily_cap": Text("每日计分上限", "Cap of the day"),
    "cap": Text("周期计分上限", "Cap of a period"),
}
RESULTS: dict[str, Text] = {
    "passed": Text("通过", "passed"),
    "refused": Text("未通过", "refused"),
    "held": Text("转人工复核", "held for review"),
    "trimmed": Text("积分按上限扣减", "points trimmed"),
    "not_reached": Text("未到此步", "not reached"),
    "not_applicable": Text("不适用", "nothing to look at"),
}


def both(text: Text) -> dict[str, str]:
    """A text in both languages at once, as the wire has it."""
    return {"zh-CN": text.zh, "en": text.en}
