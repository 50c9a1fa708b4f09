"""Deciding: one event against the rules and against what its resident did before, under a lock."""
