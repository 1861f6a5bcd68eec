"""How the guard is started, and what it says when it can't be."""

import socket
import sys

import pytest

from outlast.settings_errors import InvalidSettings, read_settings
from outlast_local.guard.__main__ import main
from outlast_local.guard.settings import GuardSettings

SOCKET = "unix:///tmp/restate/ingress.sock"


@pytest.mark.usefixtures("logging_as_before")
def test_a_taken_port_is_named_with_the_setting_to_change(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    with socket.create_server(("127.0.0.1", 0)) as other:
        where = f"127.0.0.1:{other.getsockname()[1]}"
        monkeypatch.setattr(sys, "argv", ["guard", "--admin", where, SOCKET])
        assert main() == 1
    said = capsys.readouterr().err
    assert f"Can't listen at {where}: Address already in use." in said
    assert "RESTATE_ADMIN_PORT" in said


@pytest.mark.usefixtures("logging_as_before")
@pytest.mark.parametrize(
    ("arguments", "fault"),
    [
        ([], "nothing to guard"),
        (["--ingress", "8080", SOCKET], "8080 is not an address such as 127.0.0.1:8080"),
        (["--ingress", "127.0.0.1", SOCKET], "127.0.0.1 is not an address"),
        (["--ingress", "127.0.0.1:0", "unix:here.sock"], "must be an address such as"),
        (["--ingress", "127.0.0.1:0", "restate:8080"], "must be an address such as http://"),
    ],
)
def test_arguments_that_lead_nowhere_are_refused(
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    arguments: list[str],
    fault: str,
):
    monkeypatch.setattr(sys, "argv", ["guard", *arguments])
    with pytest.raises(SystemExit):
        main()
    assert fault in capsys.readouterr().err


def test_names_and_pages_come_from_the_environment(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("GUARD_PUBLIC_HOSTS", "devbox.example, [2001:db8::1],10.0.0.7")
    monkeypatch.setenv("GUARD_CORS_ORIGINS", '["https://ops.example/"]')
    monkeypatch.setenv("GUARD_PUBLIC_PORTS", "18080, 19070")
    settings = read_settings(GuardSettings)
    assert settings.public_ports == [18080, 19070]
    assert settings.public_hosts == ["devbox.example", "2001:db8::1", "10.0.0.7"]
    assert settings.cors_origins == ["https://ops.example"]


def test_empty_settings_are_none(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("GUARD_PUBLIC_HOSTS", "")
    monkeypatch.setenv("GUARD_CORS_ORIGINS", "")
    settings = read_settings(GuardSettings)
    assert (settings.public_hosts, settings.cors_origins) == ([], [])


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("GUARD_PUBLIC_HOSTS", "devbox.example:8080"),
        ("GUARD_PUBLIC_HOSTS", "*"),
        ("GUARD_PUBLIC_HOSTS", "http://devbox.example"),
        ("GUARD_PUBLIC_PORTS", "8080,any"),
        ("GUARD_CORS_ORIGINS", '["*"]'),
        ("GUARD_CORS_ORIGINS", '["null"]'),
        ("GUARD_CORS_ORIGINS", '["ops.example"]'),
        ("GUARD_CORS_ORIGINS", '["https://ops.example/page"]'),
        ("GUARD_CORS_ORIGINS", "https://ops.example"),
    ],
)
def test_a_setting_that_would_open_too_much_or_nothing_is_refused(
    monkeypatch: pytest.MonkeyPatch, name: str, value: str
):
    monkeypatch.setenv(name, value)
    with pytest.raises(InvalidSettings, match=name):
        read_settings(GuardSettings)
