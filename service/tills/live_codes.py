"""The key from which the keys of residents' phones follow."""

from service.services import services


def root_key() -> bytes:
    """Of all phones; it outlives no rotation of the index key, and the phones' keys with it."""
    return services().keyring.derived("live codes")
