"""Addresses of a test's own, so that no two tests share a budget."""

import secrets


def an_address() -> str:
    return "10." + ".".join(str(byte) for byte in secrets.token_bytes(3))


def a_network() -> str:
    """What one subscriber has of IPv6, up to its fourth group."""
    return f"2001:db8:{secrets.token_hex(2)}:7"
