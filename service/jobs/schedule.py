"""The schedule: one table of what runs in the background, when, in which zone, how late at most.

Each job is safe to repeat and to run twice at once: a killed runner's run is begun again by the
next, and ``tanhui jobs once`` asks for no lease.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

from apscheduler.triggers.base import BaseTrigger
from apscheduler.triggers.cron import CronTrigger
from apscheduler.triggers.interval import IntervalTrigger

from service.jobs import work
from service.jobs.errors import UnknownJob
from service.jobs.records import Counts
from service.language import Text
from service.services import Services

DAY_S = 24 * 60 * 60


@dataclass(frozen=True, slots=True)
class Every:
    """Again and again, so many seconds after the last start."""

    seconds: int

    @property
    def words(self) -> Text:
        return Text(f"每 {self.seconds} 秒", f"every {self.seconds} s")


@dataclass(frozen=True, slots=True)
class Hourly:
    """At this minute of each hour, midnight's among them."""

    minute: int

    @property
    def words(self) -> Text:
        return Text(f"每小时第 {self.minute} 分", f"hourly at :{self.minute:02}")


@dataclass(frozen=True, slots=True)
class Daily:
    """Once a day, at this time in the job's zone."""

    hour: int
    minute: int

    @property
    def words(self) -> Text:
        at = f"{self.hour:02}:{self.minute:02}"
        return Text(f"每日 {at}", f"daily at {at}")


@dataclass(frozen=True, slots=True)
class Job:
    """A row of the schedule.

    ``work`` gets the parts and the instant of its start, opens its own transactions
    (``services.database.transact``), and returns what it did: all zero means there was nothing to
    do. ``grace_s``: a run missed for longer waits for its next time. ``timeout_s``: no statement
    begins later than that after the start, and one lasts half a minute at most (so no
    ``Database.snapshot``, whose statements may last for ever).
    """

    name: str
    title: Text
    when: Every | Hourly | Daily
    work: Callable[[Services, datetime], Counts]
    zone: str = "UTC"
    grace_s: int = 60
    timeout_s: int = 60

    @property
    def trigger(self) -> BaseTrigger:
        """As APScheduler has it."""
        match self.when:
            case Every(seconds):
                return IntervalTrigger(seconds=seconds, timezone=UTC)
            case Hourly(minute):
                return CronTrigger(minute=minute, timezone=ZoneInfo(self.zone))
            case Daily(hour, minute):
                return CronTrigger(hour=hour, minute=minute, timezone=ZoneInfo(self.zone))

    def due_at(self, last_started_at: datetime | None, now: datetime) -> datetime:
        """When it should run next: now if its time came since the last start, within its grace."""
        since = now - timedelta(seconds=self.grace_s)
        since = max(since, last_started_at) if last_started_at else since
        if isinstance(self.when, Every):
            due = since + timedelta(seconds=self.when.seconds) if last_started_at else now
        else:
            after = since + timedelta(microseconds=1)
            due = self.trigger.get_next_fire_time(None, after).astimezone(UTC)
        return max(due, now)


SCHEDULE: tuple[Job, ...] = (
    Job(
        "seal_log",
        Text("入账记录写入公开日志", "Seal postings in the log"),
        Every(2),
        work.seal_log,
    ),
    Job(
        "fold_system_accounts",
        Text("汇总项目账户", "Fold the programmes' own accounts"),
        Every(10),
        work.fold_system_accounts,
    ),
    Job(
        "roll_up_districts",
        Text("汇总各区数据", "Roll up the districts' figures"),
        Every(5),
        work.roll_up_districts,
    ),
    Job(
        "settle_top_ups",
        Text("跟进未了结的充值", "Ask the gateway about open top-ups"),
        Every(2),
        work.settle_top_ups,
    ),
    Job(
        "send_webhooks",
        Text("向商户系统推送消息", "Send messages to merchants' systems"),
        Every(2),
        work.send_webhooks,
    ),
    Job(
        "lapse_holds",
        Text("释放到期的预留", "Release holds past their deadline"),
        Every(30),
        work.lapse_holds,
    ),
    Job(
        "lapse_lots",
        Text("积分到期", "Lapse points whose day is over"),
        Hourly(5),
        work.lapse_lots,
        zone="Asia/Shanghai",
        grace_s=DAY_S,
    ),
    Job(
        "expire_vouchers",
        Text("券到期", "End vouchers that nobody used in time"),
        Hourly(35),
        work.expire_vouchers,
        grace_s=DAY_S,
    ),
    Job(
        "erase_closed",
        Text("销毁已注销账户的日志密钥", "Destroy the log's secrets of closed accounts"),
        Every(60),
        work.erase_closed,
    ),
    Job(
        "snapshot_balances",
        Text("月初余额快照", "Snapshot balances at the beginning of months"),
        Hourly(15),
        work.snapshot_balances,
        grace_s=DAY_S,
    ),
    Job(
        "queue_missed",
        Text("补录未排队的入账", "Queue postings that are not in the log's queue"),
        Daily(1, 30),
        work.queue_missed,
        grace_s=DAY_S,
    ),
    Job(
        "make_partitions",
        Text("提前建立各月分区", "Make the months' partitions ahead"),
        Daily(0, 20),
        work.make_partitions,
        grace_s=DAY_S,
    ),
    Job(
        "remind_scenes",
        Text("场景批准到期前三个月提醒", "Remind three months before a scene's end"),
        Daily(8, 30),
        work.remind_scenes,
        zone="Asia/Shanghai",
        grace_s=DAY_S,
    ),
    Job(
        "rewrap_keys",
        Text("主密钥更换后重新包裹数据密钥", "Wrap data keys anew after a rotation"),
        Hourly(25),
        work.rewrap_keys,
    ),
    Job(
        "apply_retention",
        Text("清除超过保存期限的记录", "End records whose time is over"),
        Hourly(50),
        work.apply_retention,
    ),
    Job(
        "issue_reports",
        Text("出具各区报告", "Issue the districts' reports"),
        Hourly(10),
        work.issue_reports,
        zone="Asia/Shanghai",
        timeout_s=400,
    ),
    Job(
        "draft_settlements",
        Text("续做未完成的结算单", "Go on with settlements that are not drafted yet"),
        Every(60),
        work.draft_settlements,
    ),
    Job(
        "run_audits",
        Text("开始所请求的核对", "Begin the audits that were asked for"),
        Every(5),
        work.run_audits,
    ),
    Job(
        "forget_runs",
        Text("清除旧的任务记录", "Forget old runs of jobs"),
        Hourly(40),
        work.forget_runs,
    ),
)


def named(name: str, schedule: tuple[Job, ...] = SCHEDULE) -> Job:
    """The job of this name; raises UnknownJob."""
    for job in schedule:
        if job.name == name:
            return job
    raise UnknownJob(name)
