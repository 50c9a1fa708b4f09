"""Which addresses are of the open internet: no message of ours goes to a neighbour of ours."""

from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network

_UNICAST = IPv6Network("2000::/3")
_NAT64 = IPv6Network("64:ff9b::/96")
_CLOSED = (
    IPv4Network("192.0.0.0/24"),  # Of protocols, and of a cloud's metadata.
    IPv4Network("168.63.129.16"),  # A cloud's, for the machines of its customers.
)


def is_public(address: IPv4Address | IPv6Address) -> bool:
    """Whether it is one of the open internet; an IPv4 address inside an IPv6 one counts as itself.

    Loopback, private, link-local, shared, multicast, documentation and reserved ones are not, nor
    are tunnels (6to4, Teredo), which nobody needs to reach a server.
    """
    if isinstance(address, IPv4Address):
        closed = address.is_multicast or address.is_reserved or any(address in n for n in _CLOSED)
        return address.is_global and not closed
    if address.ipv4_mapped is not None:
        return is_public(address.ipv4_mapped)
    if address in _NAT64:
        return is_public(IPv4Address(int(address) & 0xFFFFFFFF))
    tunnel = address.sixtofour is not None or address.teredo is not None
    return address in _UNICAST and address.is_global and not tunnel
