"""Neighbours of ours are told from the open internet, in whatever way they are written."""

from ipaddress import ip_address

import pytest

from rewards.webhooks.addresses import is_public


@pytest.mark.parametrize(
    "address",
    ["1.1.1.1", "203.119.1.1", "8.8.8.8", "2606:4700::1111", "2408:8756::1", "::ffff:1.1.1.1",
     "64:ff9b::1.1.1.1"],
)  # fmt: skip
def test_the_open_internet(address):
    assert is_public(ip_address(address))


@pytest.mark.parametrize(
    "address",
    ["127.0.0.1", "127.8.8.8", "0.1.2.3", "10.0.0.1", "172.16.0.1", "172.31.255.255",
     "192.168.1.1", "169.254.169.254", "100.64.0.1", "100.100.100.200", "168.63.129.16",
     "192.0.0.192", "192.0.2.1", "198.18.0.1", "198.51.100.7", "203.0.113.7", "224.0.0.1",
     "240.0.0.1", "255.255.255.255", "::", "::1", "::127.0.0.1", "::ffff:127.0.0.1",
     "::ffff:169.254.169.254", "::ffff:0:127.0.0.1", "64:ff9b::127.0.0.1", "64:ff9b::10.0.0.1",
     "64:ff9b:1::1", "2002:7f00:1::1", "2002:101:101::1", "2001:0:1:1::1", "2001:db8::1",
     "fe80::1", "fec0::1", "fc00::1", "fd00:ec2::254", "ff02::1", "100::1", "4000::1"],
)  # fmt: skip
def test_neighbours(address):
    assert not is_public(ip_address(address))
