"""Redemption: points for units of an offer, and how it ends."""
