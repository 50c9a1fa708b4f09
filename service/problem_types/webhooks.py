"""Refusals about webhooks."""

from rewards.webhooks import errors as webhooks
from service.problem_types.kinds import ProblemType, kind

TYPES: dict[type[Exception], ProblemType] = {
    webhooks.UnknownWebhook: kind(
        404, "unknown-webhook",
        ("没有该推送地址", "Unknown webhook"),
        ("本商户没有编号为 {endpoint_id} 的推送地址。",
         "The merchant has no webhook {endpoint_id}."),
        "endpoint_id",
    ),
    webhooks.UnknownWebhookMessage: kind(
        404, "unknown-webhook-message",
        ("没有该消息", "Unknown message"),
        ("该推送地址没有编号为 {message_id} 的消息，或消息已超过保存期限。",
         "The webhook has no message {message_id}, or its time is over."),
        "message_id",
    ),
    webhooks.WebhookReused: kind(
        409, "webhook-id-reused",
        ("推送地址编号已被使用", "Webhook id already used"),
        ("编号 {endpoint_id} 已用于另一个推送地址，或该地址已停用；请用新的编号。",
         "{endpoint_id} stands for another webhook, or for one that has ended: make a new id."),
        "endpoint_id",
    ),
    webhooks.WebhookMessageReused: kind(
        409, "webhook-message-id-reused",
        ("消息编号已被使用", "Message id already used"),
        ("编号 {message_id} 已用于另一条消息。", "{message_id} stands for another message."),
        "message_id",
    ),
    webhooks.WebhookEnded: kind(
        409, "webhook-ended",
        ("推送地址已停用", "Webhook ended"),
        ("推送地址 {endpoint_id} 已停用，不再发送任何内容。",
         "The webhook {endpoint_id} has ended: nothing is sent to it."),
        "endpoint_id",
    ),
    webhooks.TooManyWebhooks: kind(
        409, "too-many-webhooks",
        ("推送地址过多", "Too many webhooks"),
        ("每个商户最多 {webhooks_max} 个推送地址，请先停用一个。",
         "A merchant has at most {webhooks_max} live webhooks; end one first."),
        "webhooks_max",
    ),
    webhooks.BadWebhookAddress: kind(
        422, "webhook-address-not-allowed",
        ("推送地址不可用", "Webhook address not allowed"),
        ("地址的 {address_part} 不符合要求：须为公网上的 https:// 地址，端口为 443 或不小于 1024，"
         "不含用户名、密码和 #。",
         "The address's {address_part} does not fit: it is https:// on the open internet, port 443"
         " or from 1024 on, without a user, a password or a fragment."),
        "address_part",
    ),
}  # fmt: skip
