"""Changes: what becomes of an activity after its first decision, and the difference in points."""
