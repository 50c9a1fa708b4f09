"""Alembic migrations: numbered, in one line, each safe beside the release before it."""
