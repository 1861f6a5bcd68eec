"""Names that servers answer to."""

import pytest

from outlast.hosts import Authority, Hosts, is_loopback, parse_authority


@pytest.mark.parametrize(
    ("text", "host", "port"),
    [
        ("localhost", "localhost", None),
        ("LocalHost:8080", "localhost", 8080),
        ("localhost.:80", "localhost", 80),
        ("127.0.0.1:9070", "127.0.0.1", 9070),
        ("[::1]", "::1", None),
        ("[0:0::0:1]:8080", "::1", 8080),
        ("evil.example", "evil.example", None),
    ],
)
def test_a_host_is_read_as_browsers_mean_it(text: str, host: str, port: int | None):
    assert parse_authority(text) == Authority(host, port)


@pytest.mark.parametrize(
    "text",
    [
        "",
        ":8080",
        ".",
        "::1",
        "[::1",
        "[::1]x",
        "[evil.example]",
        "[]",
        "localhost:",
        "localhost:80:80",
        "localhost:99999",
        "localhost:+80",
        "localhost:٨",
        "user@localhost",
        "evil.example@localhost",
        "localhost@evil.example",
        "localhost/evil.example",
        "localhost,evil.example",
        "localhost evil.example",
        " localhost",
        "localhost\t",
        "localhost\n",
        "localhost#",
        "l\N{CYRILLIC SMALL LETTER O}calhost",
        "localho\N{LATIN SMALL LETTER LONG S}t",  # an s, where case does not count
    ],
)
def test_what_could_be_read_in_two_ways_is_no_host(text: str):
    assert parse_authority(text) is None


@pytest.mark.parametrize(
    "host", ["localhost", "127.0.0.1", "127.8.9.10", "::1", "::ffff:127.0.0.1", "::ffff:7f00:1"]
)
def test_loopback_is_this_machine_alone(host: str):
    assert is_loopback(host)


@pytest.mark.parametrize(
    "host",
    [
        "0.0.0.0",
        "10.0.0.1",
        "::",
        "::ffff:10.0.0.1",
        "127.1",
        "2130706433",
        "127.0.0.1.evil.example",
        "localhost.evil.example",
        "evil.localhost",
        "",
    ],
)
def test_what_others_may_answer_to_is_not_loopback(host: str):
    assert not is_loopback(host)


def test_a_server_answers_to_loopback_and_to_what_it_is_told():
    hosts = Hosts(["Devbox.Example.", "[2001:db8::1]"])
    assert all(hosts.has(host) for host in ("localhost", "::1", "devbox.example", "2001:db8::1"))
    assert not any(hosts.has(host) for host in ("evil.example", "x.devbox.example", "10.0.0.1"))
