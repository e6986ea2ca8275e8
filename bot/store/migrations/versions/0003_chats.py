"""What chats need: updates not yet handled, cards with buttons, handles of people, marks."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    """From 0002 to 0003."""
    op.add_column("tasks", sa.Column("spoiler", sa.Boolean()))
    op.add_column("people", sa.Column("handle", sa.Text()))
    _index("ix_people_handle", "people", ["handle"], "handle IS NOT NULL")
    op.create_table(
        "updates",
        sa.Column("front_end", sa.Text(), nullable=False),
        sa.Column("id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("lane", sa.Text(), nullable=False),
        sa.Column("body", sa.Text(), nullable=False),
        sa.Column("at", sa.Double(), nullable=False),
        sa.Column("due_at", sa.Double(), nullable=False),
        sa.Column("attempts", sa.Integer(), server_default="0", nullable=False),
        sa.Column("worker", sa.Text()),
        sa.Column("done_at", sa.Double()),
        sa.PrimaryKeyConstraint("front_end", "id", name=op.f("pk_updates")),
    )
    _index("ix_updates_due", "updates", ["due_at"], "done_at IS NULL")
    _index("ix_updates_done", "updates", ["done_at"], "done_at IS NOT NULL")
    _cards()
    op.create_table(
        "marks",
        sa.Column("front_end", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("value", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("front_end", "name", name=op.f("pk_marks")),
    )


def _cards() -> None:
    op.create_table(
        "cards",
        sa.Column("token", sa.Text(), nullable=False),
        sa.Column("front_end", sa.Text(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("person", sa.Text(), nullable=False),
        sa.Column("address", sa.Text(), nullable=False),
        sa.Column("task", sa.Text()),
        sa.Column("message", sa.Text()),
        sa.Column("sends", sa.Integer(), server_default="0", nullable=False),
        sa.Column("body", sa.Text(), server_default="{}", nullable=False),
        sa.Column("created_at", sa.Double(), nullable=False),
        sa.Column("changed_at", sa.Double(), nullable=False),
        sa.Column("gone_at", sa.Double()),
        sa.CheckConstraint(
            "kind IN ('choices', 'draft', 'question', 'result', 'status')",
            name=op.f("ck_cards_known_kind"),
        ),
        sa.ForeignKeyConstraint(["task"], ["tasks.id"], name=op.f("fk_cards_task")),
        sa.PrimaryKeyConstraint("token", name=op.f("pk_cards")),
    )
    _index("ux_cards_task", "cards", ["task", "kind"], "task IS NOT NULL", unique=True)
    _index("ix_cards_message", "cards", ["message"], "message IS NOT NULL")
    op.create_index("ix_cards_person", "cards", ["person", "kind", "created_at"])


def _index(name: str, table: str, columns: list[str], where: str, *, unique: bool = False) -> None:
    condition = sa.text(where)
    op.create_index(
        name, table, columns, unique=unique, sqlite_where=condition, postgresql_where=condition
    )
