"""Merchants, their shops and scanners, and what was agreed with them."""
