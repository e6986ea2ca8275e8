"""The tables. What must always hold is stated here, so that the database itself refuses the rest.

Times are UNIX seconds; credits are whole numbers; ids of people and accounts are
`<front-end>:<their id there>`.
"""

from __future__ import annotations

from typing import Any

from sqlalchemy import (
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    Double,
    ForeignKey,
    Identity,
    Index,
    Integer,
    MetaData,
    PrimaryKeyConstraint,
    Table,
    Text,
    text,
)

from bot.domain.tasks import ACTIVE, State

metadata = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "ck": "ck_%(table_name)s_%(constraint_name)s",
        "fk": "fk_%(table_name)s_%(column_0_N_name)s",
        "pk": "pk_%(table_name)s",
    }
)


def _in_words(column: str, words: list[str]) -> str:
    return f"{column} IN ({', '.join(repr(str(word)) for word in sorted(words))})"


def _index(name: str, *columns: Column[Any], where: str, unique: bool = False) -> None:
    """Return a partial index."""
    condition = text(where)
    Index(name, *columns, unique=unique, sqlite_where=condition, postgresql_where=condition)


# SQLite counts rows by themselves only in a column that is INTEGER to the letter.
_SerialType = BigInteger().with_variant(Integer(), "sqlite")

people = Table(
    "people",
    metadata,
    Column("id", Text, primary_key=True),
    Column("created_at", Double, nullable=False),
    Column("language", Text),
    Column("model", Text),
    Column("orientation", Text),
    Column("seconds", Integer),
    Column("banned_at", Double),
    Column("ban_reason", Text),
    # What others write to mean them where a platform gives no id: `ann` of @ann.
    Column("handle", Text),
)
_index("ix_people_handle", people.c.handle, where="handle IS NOT NULL")

accounts = Table(
    "accounts",
    metadata,
    Column("id", Text, primary_key=True),
    Column("daily", BigInteger, nullable=False, server_default="0"),
    Column("granted", BigInteger, nullable=False, server_default="0"),
    Column("held", BigInteger, nullable=False, server_default="0"),
    Column("daily_limit", BigInteger),
    Column("refilled_on", Text),
    CheckConstraint("daily >= 0", "daily_not_negative"),
    CheckConstraint("granted >= 0", "granted_not_negative"),
    CheckConstraint("held >= 0", "held_not_negative"),
    CheckConstraint("daily_limit >= 0", "limit_not_negative"),
)

tasks = Table(
    "tasks",
    metadata,
    Column("id", Text, primary_key=True),
    Column("person", Text, ForeignKey("people.id"), nullable=False),
    Column("account", Text, ForeignKey("accounts.id"), nullable=False),
    Column("update_key", Text),
    Column("state", Text, nullable=False),
    Column("created_at", Double, nullable=False),
    Column("moved_at", Double, nullable=False),
    Column("due_at", Double, nullable=False),
    Column("lease", Text),
    Column("turn", BigInteger, nullable=False),
    Column("price", Integer, nullable=False),
    Column("language", Text, nullable=False),
    Column("model", Text, nullable=False),
    Column("prompt", Text, nullable=False),
    Column("seconds", Integer, nullable=False),
    Column("size", Text),
    Column("width", Integer),
    Column("height", Integer),
    Column("orientation", Text),
    Column("style", Text),
    Column("watermark", Boolean),
    Column("private", Boolean),
    Column("storyboard", Boolean),
    Column("spoiler", Boolean),
    Column("image", Text),
    Column("remix_of", Text, ForeignKey("tasks.id")),
    Column("provider", Text),
    Column("provider_identity", Text),
    Column("remote_model", Text),
    Column("remote_id", Text),
    Column("submitted_at", Double),
    Column("running_at", Double),
    Column("finished_at", Double),
    Column("trouble_at", Double),
    Column("attempts", Integer, nullable=False, server_default="0"),
    Column("fetches", Integer, nullable=False, server_default="0"),
    Column("looks", Integer, nullable=False, server_default="0"),
    Column("percent", Double),
    Column("cancel_asked", Boolean, nullable=False, server_default=text("false")),
    Column("result_url", Text),
    Column("result_expires_at", Double),
    Column("edit_id", Text),
    Column("file", Text),
    Column("bytes", BigInteger),
    Column("reason", Text),
    Column("raw", Text),
    CheckConstraint(_in_words("state", list(State)), "known_state"),
    CheckConstraint("price >= 0", "price_not_negative"),
    CheckConstraint("seconds > 0", "seconds_positive"),
    CheckConstraint(
        "state NOT IN ('running', 'fetching') OR remote_id IS NOT NULL", "job_is_known"
    ),
    CheckConstraint("state <> 'submitting' OR provider IS NOT NULL", "provider_is_chosen"),
    CheckConstraint(
        "state NOT IN ('delivering', 'done', 'undelivered') OR bytes IS NOT NULL",
        "result_is_kept",
    ),
)

_IS_ACTIVE = _in_words("state", list(ACTIVE))
HAS_JOB = "state IN ('running', 'submitting')"
HAS_STEP = "state IN ('delivering', 'fetching', 'running', 'submitting')"

_index("ux_tasks_update_key", tasks.c.update_key, unique=True, where="update_key IS NOT NULL")
# Two tasks with one job would charge two people for one video, and show it to both.
_index(
    "ux_tasks_job",
    tasks.c.provider_identity,
    tasks.c.remote_id,
    unique=True,
    where="remote_id IS NOT NULL",
)
_index("ix_tasks_due", tasks.c.state, tasks.c.due_at, where=HAS_STEP)
_index("ix_tasks_leased", tasks.c.lease, where="lease IS NOT NULL")
_index("ix_tasks_queue", tasks.c.turn, tasks.c.created_at, where="state = 'queued'")
_index("ix_tasks_jobs", tasks.c.provider, where=HAS_JOB)
_index("ix_tasks_active", tasks.c.person, where=_IS_ACTIVE)
Index("ix_tasks_person", tasks.c.person, tasks.c.created_at)
Index("ix_tasks_state", tasks.c.state, tasks.c.moved_at)

deliveries = Table(
    "deliveries",
    metadata,
    # One row a task: a second duty to post the same result cannot be written down.
    Column("task", Text, ForeignKey("tasks.id"), primary_key=True),
    Column("front_end", Text, nullable=False),
    Column("address", Text, nullable=False),
    Column("state", Text, nullable=False, server_default="waiting"),
    Column("attempts", Integer, nullable=False, server_default="0"),
    Column("repeated", Boolean, nullable=False, server_default=text("false")),
    Column("receipt", Text),
    Column("sent_at", Double),
    CheckConstraint(_in_words("state", ["waiting", "sending", "sent"]), "known_state"),
    CheckConstraint("(state = 'sent') = (sent_at IS NOT NULL)", "sent_has_its_time"),
)

notices = Table(
    "notices",
    metadata,
    # Final messages about tasks without a video, until they are sent.
    Column("task", Text, ForeignKey("tasks.id"), nullable=False),
    Column("state", Text, nullable=False),
    Column("due_at", Double, nullable=False),
    Column("attempts", Integer, nullable=False, server_default="0"),
    Column("told_at", Double),
    PrimaryKeyConstraint("task", "state"),
)
_index("ix_notices_due", notices.c.due_at, where="told_at IS NULL")

events = Table(
    "events",
    metadata,
    Column("id", _SerialType, Identity(), primary_key=True),
    Column("task", Text, ForeignKey("tasks.id"), nullable=False),
    Column("at", Double, nullable=False),
    Column("from_state", Text),
    Column("to_state", Text, nullable=False),
    Column("by", Text),
    Column("reason", Text),
    Column("raw", Text),
    CheckConstraint(_in_words("to_state", list(State)), "known_state"),
)
Index("ix_events_task", events.c.task, events.c.id)

entries = Table(
    "entries",
    metadata,
    Column("id", _SerialType, Identity(), primary_key=True),
    Column("account", Text, ForeignKey("accounts.id"), nullable=False),
    Column("at", Double, nullable=False),
    Column("kind", Text, nullable=False),
    Column("task", Text, ForeignKey("tasks.id")),
    Column("day", Text),
    Column("daily", BigInteger, nullable=False, server_default="0"),
    Column("granted", BigInteger, nullable=False, server_default="0"),
    Column("held", BigInteger, nullable=False, server_default="0"),
    Column("by", Text),
    CheckConstraint(
        _in_words("kind", ["refill", "limit", "grant", "hold", "settle", "release"]), "known_kind"
    ),
    CheckConstraint(
        "(kind IN ('hold', 'settle', 'release')) = (task IS NOT NULL)", "task_where_due"
    ),
    CheckConstraint(
        "kind <> 'hold' OR (held >= 0 AND daily <= 0 AND granted <= 0"
        " AND held + daily + granted = 0)",
        "hold_moves_credits",
    ),
    CheckConstraint(
        "kind <> 'settle' OR (held <= 0 AND daily = 0 AND granted = 0)", "settle_spends"
    ),
    CheckConstraint(
        # Daily credits of a day that is over lapse instead of coming back.
        "kind <> 'release' OR (held <= 0 AND daily >= 0 AND granted >= 0"
        " AND daily + granted <= -held)",
        "release_returns",
    ),
)
Index("ix_entries_account", entries.c.account, entries.c.id)
_index(
    "ux_entries_task_kind",
    entries.c.task,
    entries.c.kind,
    unique=True,
    where="task IS NOT NULL",
)
_index(
    "ux_entries_one_ending",
    entries.c.task,
    unique=True,
    where="kind IN ('release', 'settle')",
)
_index(
    "ux_entries_refill_a_day",
    entries.c.account,
    entries.c.day,
    unique=True,
    where="kind = 'refill'",
)

providers = Table(
    "providers",
    metadata,
    Column("name", Text, primary_key=True),
    # What an admin said: on, off, or drain (finish what runs, take nothing new).
    Column("mode", Text, nullable=False, server_default="on"),
    # What its answers said: closed, open (left alone), half-open (one create may prove it).
    Column("breaker", Text, nullable=False, server_default="closed"),
    Column("failures", Integer, nullable=False, server_default="0"),
    Column("paused_until", Double),
    Column("reason", Text),
    Column("raw", Text),
    # The account that all this was seen of: another key starts with a clean record.
    Column("identity", Text),
    CheckConstraint(_in_words("mode", ["on", "off", "drain"]), "known_mode"),
    CheckConstraint(_in_words("breaker", ["closed", "open", "half-open"]), "known_breaker"),
    CheckConstraint("failures >= 0", "failures_not_negative"),
)

switched_off = Table(
    "switched_off",
    metadata,
    # Models that a gateway said it no longer serves; tried again when their time is over.
    Column("provider", Text, nullable=False),
    Column("remote_model", Text, nullable=False),
    Column("until", Double, nullable=False),
    Column("raw", Text),
    PrimaryKeyConstraint("provider", "remote_model"),
)

alerts = Table(
    "alerts",
    metadata,
    # Alerts for the admins of a front-end, until they are sent.
    Column("id", _SerialType, Identity(), primary_key=True),
    Column("front_end", Text, nullable=False),
    Column("sentence", Text, nullable=False),
    Column("facts", Text, nullable=False),
    Column("at", Double, nullable=False),
    Column("due_at", Double, nullable=False),
    Column("attempts", Integer, nullable=False, server_default="0"),
    Column("told_at", Double),
)
_index("ix_alerts_due", alerts.c.due_at, where="told_at IS NULL")

heard = Table(
    "heard",
    metadata,
    # Events received from gateways, to ignore repetitions.
    Column("identity", Text, nullable=False),
    Column("event", Text, nullable=False),
    Column("at", Double, nullable=False),
    PrimaryKeyConstraint("identity", "event"),
)

durations = Table(
    "durations",
    metadata,
    # How long jobs took from the create to the moment they were seen finished.
    Column("id", _SerialType, Identity(), primary_key=True),
    Column("provider", Text, nullable=False),
    Column("remote_model", Text, nullable=False),
    Column("seconds", Integer, nullable=False),
    Column("took", Double, nullable=False),
    Column("at", Double, nullable=False),
)
Index("ix_durations_model", durations.c.provider, durations.c.remote_model, durations.c.id)

updates = Table(
    "updates",
    metadata,
    # Updates of a platform, stored before they are confirmed, until they are handled.
    Column("front_end", Text, nullable=False),
    Column("id", BigInteger, nullable=False, autoincrement=False),
    # Updates with the same key are handled one after the other.
    Column("lane", Text, nullable=False),
    Column("body", Text, nullable=False),
    Column("at", Double, nullable=False),
    Column("due_at", Double, nullable=False),
    Column("attempts", Integer, nullable=False, server_default="0"),
    Column("worker", Text),
    Column("done_at", Double),
    PrimaryKeyConstraint("front_end", "id"),
)
_index("ix_updates_due", updates.c.due_at, where="done_at IS NULL")
_index("ix_updates_done", updates.c.done_at, where="done_at IS NOT NULL")

cards = Table(
    "cards",
    metadata,
    # Messages of ours that people act on: drafts, statuses, results, questions, choices.
    Column("token", Text, primary_key=True),
    Column("front_end", Text, nullable=False),
    Column("kind", Text, nullable=False),
    Column("person", Text, nullable=False),
    Column("address", Text, nullable=False),
    Column("task", Text, ForeignKey("tasks.id")),
    # Where it stands, in the front-end's own words; NULL while nobody knows that it does.
    Column("message", Text),
    Column("sends", Integer, nullable=False, server_default="0"),
    Column("body", Text, nullable=False, server_default="{}"),
    Column("created_at", Double, nullable=False),
    Column("changed_at", Double, nullable=False),
    Column("gone_at", Double),
    CheckConstraint(
        _in_words("kind", ["choices", "draft", "question", "result", "status"]), "known_kind"
    ),
)
_index("ux_cards_task", cards.c.task, cards.c.kind, where="task IS NOT NULL", unique=True)
_index("ix_cards_message", cards.c.message, where="message IS NOT NULL")
Index("ix_cards_person", cards.c.person, cards.c.kind, cards.c.created_at)

marks = Table(
    "marks",
    metadata,
    # Key-value state per front-end: last synced command menu, chat-id migrations.
    Column("front_end", Text, nullable=False),
    Column("name", Text, nullable=False),
    Column("value", Text, nullable=False),
    PrimaryKeyConstraint("front_end", "name"),
)

audit = Table(
    "audit",
    metadata,
    Column("id", _SerialType, Identity(), primary_key=True),
    Column("at", Double, nullable=False),
    Column("by", Text, nullable=False),
    Column("what", Text, nullable=False),
)
groups = Table(
    "groups",
    metadata,
    # What those who manage a group have set for it: `<front-end>:<its id there>`.
    Column("id", Text, primary_key=True),
    # Ids of the channels in which videos may be asked for; none named: in all.
    Column("channels", Text, nullable=False, server_default="[]"),
    # Role -> credits that one with it may take from the shared wallet in a day.
    Column("shares", Text, nullable=False, server_default="{}"),
    Column("language", Text),
    Column("spoiler", Boolean),
    Column("changed_at", Double, nullable=False),
    Column("changed_by", Text, nullable=False),
)
