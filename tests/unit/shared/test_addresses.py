"""Where servers are reached."""

import pytest

from outlast.addresses import MAX_SOCKET_PATH_BYTES, Address


def test_an_http_address_is_its_own_base():
    assert Address.parse("http://restate:8080/")[1:] == ("http://restate:8080", None)


@pytest.mark.parametrize("url", ["unix:///run/restate/admin.sock", "unix:/run/restate/admin.sock"])
def test_a_socket_is_reached_by_its_path(url: str):
    assert Address.parse(url) == (url, "http://localhost", "/run/restate/admin.sock")


@pytest.mark.parametrize(
    "url",
    [
        "unix:admin.sock",
        "unix://run/admin.sock",
        "unix:",
        "unix://",
        "restate:8080",
        "http://",
        "http://restate:0",
        "http://restate:port",
        "http://[::1",
        "ftp://restate",
        "/run/admin.sock",
        "",
    ],
)
def test_what_leads_nowhere_is_refused(url: str):
    with pytest.raises(ValueError, match="must be an address such as"):
        Address.parse(url)


def test_a_path_that_no_socket_can_have_is_refused_with_its_length():
    fits = "unix:///" + "a" * (MAX_SOCKET_PATH_BYTES - 1)
    assert Address.parse(fits).socket == fits.removeprefix("unix://")
    with pytest.raises(ValueError, match="104 bytes"):
        Address.parse(fits + "a")
    with pytest.raises(ValueError, match="104 bytes"):
        Address.parse(fits[:-1] + "é")
