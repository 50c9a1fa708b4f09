"""Reviewing: held activities, refusals that are appealed, and the persons who decide."""
