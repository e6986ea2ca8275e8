"""What several gateways need: their health, models that are gone, alerts, events, edit ids."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"

_SERIAL = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    """From 0001 to 0002."""
    op.add_column("tasks", sa.Column("storyboard", sa.Boolean()))
    op.add_column("tasks", sa.Column("edit_id", sa.Text()))
    # SQLite adds no CHECK to a table that is there; this one holds nothing but pauses.
    op.drop_table("providers")
    op.create_table(
        "providers",
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("mode", sa.Text(), server_default="on", nullable=False),
        sa.Column("breaker", sa.Text(), server_default="closed", nullable=False),
        sa.Column("failures", sa.Integer(), server_default="0", nullable=False),
        sa.Column("paused_until", sa.Double()),
        sa.Column("reason", sa.Text()),
        sa.Column("raw", sa.Text()),
        sa.Column("identity", sa.Text()),
        sa.CheckConstraint("mode IN ('drain', 'off', 'on')", name=op.f("ck_providers_known_mode")),
        sa.CheckConstraint(
            "breaker IN ('closed', 'half-open', 'open')", name=op.f("ck_providers_known_breaker")
        ),
        sa.CheckConstraint("failures >= 0", name=op.f("ck_providers_failures_not_negative")),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_providers")),
    )
    op.create_table(
        "switched_off",
        sa.Column("provider", sa.Text(), nullable=False),
        sa.Column("remote_model", sa.Text(), nullable=False),
        sa.Column("until", sa.Double(), nullable=False),
        sa.Column("raw", sa.Text()),
        sa.PrimaryKeyConstraint("provider", "remote_model", name=op.f("pk_switched_off")),
    )
    op.create_table(
        "alerts",
        sa.Column("id", _SERIAL, sa.Identity(), nullable=False),
        sa.Column("front_end", sa.Text(), nullable=False),
        sa.Column("sentence", sa.Text(), nullable=False),
        sa.Column("facts", sa.Text(), nullable=False),
        sa.Column("at", sa.Double(), nullable=False),
        sa.Column("due_at", sa.Double(), nullable=False),
        sa.Column("attempts", sa.Integer(), server_default="0", nullable=False),
        sa.Column("told_at", sa.Double()),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_alerts")),
    )
    op.create_index(
        "ix_alerts_due",
        "alerts",
        ["due_at"],
        sqlite_where=sa.text("told_at IS NULL"),
        postgresql_where=sa.text("told_at IS NULL"),
    )
    op.create_table(
        "heard",
        sa.Column("identity", sa.Text(), nullable=False),
        sa.Column("event", sa.Text(), nullable=False),
        sa.Column("at", sa.Double(), nullable=False),
        sa.PrimaryKeyConstraint("identity", "event", name=op.f("pk_heard")),
    )
