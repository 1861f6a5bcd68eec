"""To which addresses webhooks' requests may go."""

import socket

import pytest

from outlast_worker.webhooks.addresses import NotPublic, is_public, public_socket


@pytest.mark.parametrize(
    "address",
    [
        "8.8.8.8",
        "2606:4700::1111",
        "::ffff:8.8.8.8",
        "64:ff9b::8.8.8.8",  # in a network that has IPv6 alone
    ],
)
def test_public(address: str) -> None:
    """What all the world reaches alike."""
    assert is_public(address)


@pytest.mark.parametrize(
    "address",
    [
        "127.0.0.1",
        "10.1.2.3",
        "172.16.0.1",
        "192.168.1.1",
        "100.64.0.1",
        "100.100.100.200",  # Alibaba's metadata
        "169.254.169.254",
        "168.63.129.16",  # Azure's
        "0.0.0.0",
        "224.0.0.1",
        "239.255.255.250",
        "240.0.0.1",
        "255.255.255.255",
        "198.18.0.1",
        "192.0.0.8",
        "192.0.0.9",
        "192.0.0.170",
        "192.0.2.1",
        "198.51.100.1",
        "203.0.113.1",
        "192.88.99.1",
        "233.252.0.1",
        "::1",
        "::",
        "fe80::1",
        "fe80::1%eth0",
        "fd00:ec2::254",  # Amazon's metadata
        "fec0::1",
        "ff02::1",
        "2001:db8::1",
        "2001::1",
        "2001:0:808:808::",  # Teredo
        "2001:2::1",
        "2001:10::1",
        "3fff::1",
        "3fff:fff:ffff::1",
        "5f00::1",
        "100::1",
        "100:0:0:1::1",
        "fc00::1",
        "::ffff:127.0.0.1",
        "::ffff:169.254.169.254",
        "::127.0.0.1",
        "64:ff9b::10.0.0.1",
        "64:ff9b::192.0.0.8",
        "2002:c058:6301::",  # 192.88.99.1 by 6to4
        "64:ff9b:1::10.0.0.1",
        "2002:a00:1::",  # 10.0.0.1 by 6to4
        "2002:7f00:1::",
        "localhost",
        "",
    ],
)
def test_not_public(address: str) -> None:
    """What is another thing on each machine or network, also behind another notation."""
    assert not is_public(address)


def test_the_socket() -> None:
    """It is where the connection is made that an address is refused."""
    kind = (socket.AF_INET, socket.SOCK_STREAM, 6, "")
    public_socket((*kind, ("8.8.8.8", 443))).close()
    with pytest.raises(NotPublic):
        public_socket((*kind, ("10.0.0.1", 443)))
