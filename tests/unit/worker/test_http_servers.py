"""Which server speaks with Restate."""

import pytest

from outlast_worker import http_servers
from outlast_worker.installed import NotInstalled


def test_a_server_that_is_not_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    """It is said with what to run, and the default needs nothing."""
    monkeypatch.setattr(http_servers, "find_spec", lambda _name: None)
    with pytest.raises(NotInstalled, match=r'pip install "outlast-worker\[granian\]"'):
        http_servers.choose_server("granian")
    assert http_servers.choose_server("hypercorn")
