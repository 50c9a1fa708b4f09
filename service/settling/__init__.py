"""Settlements as people and systems deal with them: drafts within a time, exports, files."""
