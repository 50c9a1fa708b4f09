"""Frozen reports: which figures may be published, and the versions in which they are."""
