"""The outside gateway of top-ups: how it is asked, how it calls back, and what came of it."""
