"""Audits that somebody asked for from a page: run in the background, with their progress."""
