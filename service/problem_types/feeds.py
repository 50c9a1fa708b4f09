"""Refusals at the partners' door."""

from service.feeds import errors as feeds
from service.problem_types.kinds import ProblemType, kind

TYPES: dict[type[Exception], ProblemType] = {
    feeds.BadSignature: kind(
        401, "bad-signature",
        ("签名无效", "Bad signature"),
        ("报文头不全，或签名不是由对方的有效密钥所签。",
         "Headers are missing, or no live key of the sender's made the signature."),
    ),
    feeds.FeedKeyLacksScope: kind(
        403, "feed-key-lacks-scope",
        ("密钥无此权限", "Key not for this"),
        ("签名有效，但该密钥没有 {scope} 权限。",
         "The signature is good, but the key lacks the scope {scope}."),
        "scope",
    ),
    feeds.ClockOff: kind(
        401, "clock-off",
        ("签名时间不符", "Signed at another time"),
        ("webhook-timestamp 与服务器时间 {server_at} 相差超过 5 分钟。",
         "webhook-timestamp is more than 5 minutes away from the server's {server_at}."),
        "server_at",
    ),
    feeds.MessageReplayed: kind(
        409, "message-replayed",
        ("报文已收到过", "Message received before"),
        ("编号为 {message_id} 的报文已收到过，本次未读取内容。",
         "Message {message_id} was received before; its content was not read again."),
        "message_id",
    ),
    feeds.ReplayUnknown: kind(
        503, "replay-unknown",
        ("暂时无法核对报文编号", "Message id cannot be checked"),
        ("暂时无法核对报文是否收到过，本次未读取内容，请稍后重试。",
         "Whether the message was received before cannot be told now; nothing was read."),
    ),
    feeds.BatchTooLarge: kind(
        413, "batch-too-large",
        ("批次过大", "Batch too large"),
        ("一个批次最多 {events_max} 条、解压后 {bytes_max} 字节；未记录任何内容。",
         "A batch has at most {events_max} events and, unpacked, {bytes_max} bytes."),
        "events_max", "bytes_max",
    ),
    feeds.NotUnpackable: kind(
        400, "not-gzip",
        ("内容无法解压", "Not gzip"),
        ("Content-Encoding 为 gzip，但内容不是完整的 gzip 数据。",
         "Content-Encoding says gzip, and the body is no whole gzip stream."),
    ),
    feeds.EncodingUnknown: kind(
        415, "encoding-not-accepted",
        ("不支持该压缩方式", "Encoding not accepted"),
        ("不支持 Content-Encoding: {encoding}。", "Content-Encoding {encoding} is not accepted."),
        "encoding",
    ),
    feeds.InvalidBatchId: kind(
        422, "batch-id-not-valid",
        ("批次编号无效", "Batch id not valid"),
        ("批次编号须为 1 至 64 个字母、数字、点、下划线或连字符。",
         "A batch id has 1 to 64 letters, digits, dots, underscores or hyphens."),
    ),
    feeds.BatchReused: kind(
        409, "batch-id-reused",
        ("批次编号已被使用", "Batch id already used"),
        ("批次 {batch_id} 的第 {version} 版此前内容不同；更正请用更高的版本号。",
         "Version {version} of batch {batch_id} came with other content before."),
        "batch_id", "version",
    ),
    feeds.BatchOutdated: kind(
        409, "batch-outdated",
        ("批次版本已过时", "Batch version outdated"),
        ("批次 {batch_id} 已收到第 {latest_version} 版，第 {version} 版不再接受。",
         "Batch {batch_id} is at version {latest_version}; version {version} is not taken."),
        "batch_id", "version", "latest_version",
    ),
    feeds.TotalsOfAnotherDay: kind(
        422, "totals-of-the-future",
        ("日期尚未开始", "Day not begun"),
        ("{day} 尚未开始，不能申报合计。", "{day} has not begun: it has no totals yet."),
        "day",
    ),
    feeds.UnknownPartner: kind(
        404, "unknown-partner",
        ("没有该数据方", "Unknown partner"),
        ("没有代码为 {code} 的数据方。", "There is no partner {code}."),
        "code",
    ),
    feeds.UnknownFeedKey: kind(
        404, "unknown-feed-key",
        ("没有该密钥", "Unknown key"),
        ("没有编号为 {key_id} 的密钥。", "There is no key {key_id}."),
        "key_id",
    ),
    feeds.TooManyKeys: kind(
        409, "too-many-keys",
        ("有效密钥过多", "Too many live keys"),
        ("该数据方已有 {live_max} 把有效密钥，请先停用一把。",
         "The partner has {live_max} live keys; retire one first."),
        "live_max",
    ),
}  # fmt: skip
