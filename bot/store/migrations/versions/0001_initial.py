"""The first tables."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None

# SQLite counts rows by themselves only in a column that is INTEGER to the letter.
_SERIAL = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    """From an empty database to 0001."""
    op.create_table(
        "accounts",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("daily", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("granted", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("held", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("daily_limit", sa.BigInteger()),
        sa.Column("refilled_on", sa.Text()),
        sa.CheckConstraint("daily >= 0", name=op.f("ck_accounts_daily_not_negative")),
        sa.CheckConstraint("daily_limit >= 0", name=op.f("ck_accounts_limit_not_negative")),
        sa.CheckConstraint("granted >= 0", name=op.f("ck_accounts_granted_not_negative")),
        sa.CheckConstraint("held >= 0", name=op.f("ck_accounts_held_not_negative")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_accounts")),
    )
    op.create_table(
        "audit",
        sa.Column("id", _SERIAL, sa.Identity(), nullable=False),
        sa.Column("at", sa.Double(), nullable=False),
        sa.Column("by", sa.Text(), nullable=False),
        sa.Column("what", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_audit")),
    )
    op.create_table(
        "durations",
        sa.Column("id", _SERIAL, sa.Identity(), nullable=False),
        sa.Column("provider", sa.Text(), nullable=False),
        sa.Column("remote_model", sa.Text(), nullable=False),
        sa.Column("seconds", sa.Integer(), nullable=False),
        sa.Column("took", sa.Double(), nullable=False),
        sa.Column("at", sa.Double(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_durations")),
    )
    op.create_index("ix_durations_model", "durations", ["provider", "remote_model", "id"])
    op.create_table(
        "people",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("created_at", sa.Double(), nullable=False),
        sa.Column("language", sa.Text()),
        sa.Column("model", sa.Text()),
        sa.Column("orientation", sa.Text()),
        sa.Column("seconds", sa.Integer()),
        sa.Column("banned_at", sa.Double()),
        sa.Column("ban_reason", sa.Text()),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_people")),
    )
    op.create_table(
        "providers",
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("paused_until", sa.Double()),
        sa.Column("reason", sa.Text()),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_providers")),
    )
    op.create_table(
        "tasks",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("person", sa.Text(), nullable=False),
        sa.Column("account", sa.Text(), nullable=False),
        sa.Column("update_key", sa.Text()),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("created_at", sa.Double(), nullable=False),
        sa.Column("moved_at", sa.Double(), nullable=False),
        sa.Column("due_at", sa.Double(), nullable=False),
        sa.Column("lease", sa.Text()),
        sa.Column("turn", sa.BigInteger(), nullable=False),
        sa.Column("price", sa.Integer(), nullable=False),
        sa.Column("language", sa.Text(), nullable=False),
        sa.Column("model", sa.Text(), nullable=False),
        sa.Column("prompt", sa.Text(), nullable=False),
        sa.Column("seconds", sa.Integer(), nullable=False),
        sa.Column("size", sa.Text()),
        sa.Column("width", sa.Integer()),
        sa.Column("height", sa.Integer()),
        sa.Column("orientation", sa.Text()),
        sa.Column("style", sa.Text()),
        sa.Column("watermark", sa.Boolean()),
        sa.Column("private", sa.Boolean()),
        sa.Column("image", sa.Text()),
        sa.Column("remix_of", sa.Text()),
        sa.Column("provider", sa.Text()),
        sa.Column("provider_identity", sa.Text()),
        sa.Column("remote_model", sa.Text()),
        sa.Column("remote_id", sa.Text()),
        sa.Column("submitted_at", sa.Double()),
        sa.Column("running_at", sa.Double()),
        sa.Column("finished_at", sa.Double()),
        sa.Column("trouble_at", sa.Double()),
        sa.Column("attempts", sa.Integer(), server_default="0", nullable=False),
        sa.Column("fetches", sa.Integer(), server_default="0", nullable=False),
        sa.Column("looks", sa.Integer(), server_default="0", nullable=False),
        sa.Column("percent", sa.Double()),
        sa.Column("cancel_asked", sa.Boolean(), server_default=sa.text("false"), nullable=False),
        sa.Column("result_url", sa.Text()),
        sa.Column("result_expires_at", sa.Double()),
        sa.Column("file", sa.Text()),
        sa.Column("bytes", sa.BigInteger()),
        sa.Column("reason", sa.Text()),
        sa.Column("raw", sa.Text()),
        sa.CheckConstraint(
            "state <> 'submitting' OR provider IS NOT NULL",
            name=op.f("ck_tasks_provider_is_chosen"),
        ),
        sa.CheckConstraint(
            "state IN ('cancelled', 'delivering', 'done', 'failed', 'fetching', 'queued', "
            "'review', 'running', 'submitting', 'undelivered')",
            name=op.f("ck_tasks_known_state"),
        ),
        sa.CheckConstraint(
            "state NOT IN ('delivering', 'done', 'undelivered') OR bytes IS NOT NULL",
            name=op.f("ck_tasks_result_is_kept"),
        ),
        sa.CheckConstraint(
            "state NOT IN ('running', 'fetching') OR remote_id IS NOT NULL",
            name=op.f("ck_tasks_job_is_known"),
        ),
        sa.CheckConstraint("price >= 0", name=op.f("ck_tasks_price_not_negative")),
        sa.CheckConstraint("seconds > 0", name=op.f("ck_tasks_seconds_positive")),
        sa.ForeignKeyConstraint(["account"], ["accounts.id"], name=op.f("fk_tasks_account")),
        sa.ForeignKeyConstraint(["person"], ["people.id"], name=op.f("fk_tasks_person")),
        sa.ForeignKeyConstraint(["remix_of"], ["tasks.id"], name=op.f("fk_tasks_remix_of")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_tasks")),
    )
    op.create_index(
        "ix_tasks_active",
        "tasks",
        ["person"],
        sqlite_where=sa.text(
            "state IN ('delivering', 'fetching', 'queued', 'running', 'submitting')"
        ),
        postgresql_where=sa.text(
            "state IN ('delivering', 'fetching', 'queued', 'running', 'submitting')"
        ),
    )
    op.create_index(
        "ix_tasks_due",
        "tasks",
        ["state", "due_at"],
        sqlite_where=sa.text("state IN ('delivering', 'fetching', 'running', 'submitting')"),
        postgresql_where=sa.text("state IN ('delivering', 'fetching', 'running', 'submitting')"),
    )
    op.create_index(
        "ix_tasks_jobs",
        "tasks",
        ["provider"],
        sqlite_where=sa.text("state IN ('running', 'submitting')"),
        postgresql_where=sa.text("state IN ('running', 'submitting')"),
    )
    op.create_index(
        "ix_tasks_leased",
        "tasks",
        ["lease"],
        sqlite_where=sa.text("lease IS NOT NULL"),
        postgresql_where=sa.text("lease IS NOT NULL"),
    )
    op.create_index("ix_tasks_person", "tasks", ["person", "created_at"])
    op.create_index(
        "ix_tasks_queue",
        "tasks",
        ["turn", "created_at"],
        sqlite_where=sa.text("state = 'queued'"),
        postgresql_where=sa.text("state = 'queued'"),
    )
    op.create_index("ix_tasks_state", "tasks", ["state", "moved_at"])
    op.create_index(
        "ux_tasks_job",
        "tasks",
        ["provider_identity", "remote_id"],
        unique=True,
        sqlite_where=sa.text("remote_id IS NOT NULL"),
        postgresql_where=sa.text("remote_id IS NOT NULL"),
    )
    op.create_index(
        "ux_tasks_update_key",
        "tasks",
        ["update_key"],
        unique=True,
        sqlite_where=sa.text("update_key IS NOT NULL"),
        postgresql_where=sa.text("update_key IS NOT NULL"),
    )
    op.create_table(
        "deliveries",
        sa.Column("task", sa.Text(), nullable=False),
        sa.Column("front_end", sa.Text(), nullable=False),
        sa.Column("address", sa.Text(), nullable=False),
        sa.Column("state", sa.Text(), server_default="waiting", nullable=False),
        sa.Column("attempts", sa.Integer(), server_default="0", nullable=False),
        sa.Column("repeated", sa.Boolean(), server_default=sa.text("false"), nullable=False),
        sa.Column("receipt", sa.Text()),
        sa.Column("sent_at", sa.Double()),
        sa.CheckConstraint(
            "(state = 'sent') = (sent_at IS NOT NULL)", name=op.f("ck_deliveries_sent_has_its_time")
        ),
        sa.CheckConstraint(
            "state IN ('sending', 'sent', 'waiting')", name=op.f("ck_deliveries_known_state")
        ),
        sa.ForeignKeyConstraint(["task"], ["tasks.id"], name=op.f("fk_deliveries_task")),
        sa.PrimaryKeyConstraint("task", name=op.f("pk_deliveries")),
    )
    op.create_table(
        "entries",
        sa.Column("id", _SERIAL, sa.Identity(), nullable=False),
        sa.Column("account", sa.Text(), nullable=False),
        sa.Column("at", sa.Double(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("task", sa.Text()),
        sa.Column("day", sa.Text()),
        sa.Column("daily", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("granted", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("held", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("by", sa.Text()),
        sa.CheckConstraint(
            "(kind IN ('hold', 'settle', 'release')) = (task IS NOT NULL)",
            name=op.f("ck_entries_task_where_due"),
        ),
        sa.CheckConstraint(
            "kind <> 'hold' OR (held >= 0 AND daily <= 0 AND granted <= 0 AND held + daily "
            "+ granted = 0)",
            name=op.f("ck_entries_hold_moves_credits"),
        ),
        sa.CheckConstraint(
            "kind <> 'release' OR (held <= 0 AND daily >= 0 AND granted >= 0 AND daily + "
            "granted <= -held)",
            name=op.f("ck_entries_release_returns"),
        ),
        sa.CheckConstraint(
            "kind <> 'settle' OR (held <= 0 AND daily = 0 AND granted = 0)",
            name=op.f("ck_entries_settle_spends"),
        ),
        sa.CheckConstraint(
            "kind IN ('grant', 'hold', 'limit', 'refill', 'release', 'settle')",
            name=op.f("ck_entries_known_kind"),
        ),
        sa.ForeignKeyConstraint(["account"], ["accounts.id"], name=op.f("fk_entries_account")),
        sa.ForeignKeyConstraint(["task"], ["tasks.id"], name=op.f("fk_entries_task")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_entries")),
    )
    op.create_index("ix_entries_account", "entries", ["account", "id"])
    op.create_index(
        "ux_entries_one_ending",
        "entries",
        ["task"],
        unique=True,
        sqlite_where=sa.text("kind IN ('release', 'settle')"),
        postgresql_where=sa.text("kind IN ('release', 'settle')"),
    )
    op.create_index(
        "ux_entries_refill_a_day",
        "entries",
        ["account", "day"],
        unique=True,
        sqlite_where=sa.text("kind = 'refill'"),
        postgresql_where=sa.text("kind = 'refill'"),
    )
    op.create_index(
        "ux_entries_task_kind",
        "entries",
        ["task", "kind"],
        unique=True,
        sqlite_where=sa.text("task IS NOT NULL"),
        postgresql_where=sa.text("task IS NOT NULL"),
    )
    op.create_table(
        "events",
        sa.Column("id", _SERIAL, sa.Identity(), nullable=False),
        sa.Column("task", sa.Text(), nullable=False),
        sa.Column("at", sa.Double(), nullable=False),
        sa.Column("from_state", sa.Text()),
        sa.Column("to_state", sa.Text(), nullable=False),
        sa.Column("by", sa.Text()),
        sa.Column("reason", sa.Text()),
        sa.Column("raw", sa.Text()),
        sa.CheckConstraint(
            "to_state IN ('cancelled', 'delivering', 'done', 'failed', 'fetching', "
            "'queued', 'review', 'running', 'submitting', 'undelivered')",
            name=op.f("ck_events_known_state"),
        ),
        sa.ForeignKeyConstraint(["task"], ["tasks.id"], name=op.f("fk_events_task")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_events")),
    )
    op.create_index("ix_events_task", "events", ["task", "id"])
    op.create_table(
        "notices",
        sa.Column("task", sa.Text(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("due_at", sa.Double(), nullable=False),
        sa.Column("attempts", sa.Integer(), server_default="0", nullable=False),
        sa.Column("told_at", sa.Double()),
        sa.ForeignKeyConstraint(["task"], ["tasks.id"], name=op.f("fk_notices_task")),
        sa.PrimaryKeyConstraint("task", "state", name=op.f("pk_notices")),
    )
    op.create_index(
        "ix_notices_due",
        "notices",
        ["due_at"],
        sqlite_where=sa.text("told_at IS NULL"),
        postgresql_where=sa.text("told_at IS NULL"),
    )
