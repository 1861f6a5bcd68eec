"""A key for a client: shown once, and kept as a hash."""

import json
import re

import pytest

from outlast_app.keyring import Caller, Key, Keyring
from outlast_app.new_key import main


def make(monkeypatch: pytest.MonkeyPatch, *arguments: str) -> None:
    monkeypatch.setattr("sys.argv", ["new_key", *arguments])
    assert main() == 0


@pytest.mark.parametrize(
    ("arguments", "rights"),
    [
        (["desk"], {"invoke", "read", "approve"}),
        (["desk", "--rights", "read", "inspect"], {"read", "inspect"}),
    ],
)
def test_the_entry_lets_the_key_in(
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    arguments: list[str],
    rights: set[str],
) -> None:
    """What goes into the settings knows what goes to the client, and no two keys are alike."""
    made: set[str] = set()
    for _ in range(2):
        make(monkeypatch, *arguments)
        found = re.fullmatch(r"key    (\S{40,})\nentry  (\{.+\})\n", capsys.readouterr().out)
        assert found
        keyring = Keyring({"acme": [Key.model_validate(json.loads(found[2]))]})
        assert keyring.caller(f"Bearer {found[1]}") == Caller("acme", "desk", frozenset(rights))  # pyright: ignore[reportArgumentType]
        made.add(found[1])
    assert len(made) == 2


@pytest.mark.parametrize("arguments", [["a desk"], [""], ["desk", "--rights", "write"], []])
def test_what_could_not_be_kept(monkeypatch: pytest.MonkeyPatch, arguments: list[str]) -> None:
    """No key is made that the settings would refuse."""
    monkeypatch.setattr("sys.argv", ["new_key", *arguments])
    with pytest.raises(SystemExit) as raised:
        main()
    assert raised.value.code == 2
