"""The key with which Restate signs its requests."""

import stat
from pathlib import Path

import pytest
import restate

from outlast_worker.identity import make_identity, public_name


def test_a_key_is_made_once_and_kept(tmp_path: Path):
    first = make_identity(tmp_path)
    pem = (tmp_path / "restate.pem").read_bytes()
    assert make_identity(tmp_path) == first
    assert (tmp_path / "restate.pem").read_bytes() == pem
    assert (tmp_path / "public").read_text() == f"{first}\n"


def test_nobody_else_can_read_the_private_half(tmp_path: Path):
    make_identity(tmp_path)
    assert stat.S_IMODE((tmp_path / "restate.pem").stat().st_mode) == 0o600


def test_a_lost_public_half_is_written_again(tmp_path: Path):
    first = make_identity(tmp_path)
    (tmp_path / "public").unlink()
    assert make_identity(tmp_path) == first
    assert (tmp_path / "public").read_text() == f"{first}\n"


def test_the_sdk_takes_the_public_half(tmp_path: Path):
    restate.app([], identity_keys=[make_identity(tmp_path)])


@pytest.mark.parametrize(
    ("key", "name"),
    [
        # A pair of Restate's own tests.
        (
            "addf89e887ce6b45d011a94e52e5b8e47268c3935299bffd6a1da76982244df5",
            "publickeyv1_ChjENKeMvCtRnqG2mrBK1HmPKufgFUc98K8B3ononQvp",
        ),
        ("00" * 31 + "01", f"publickeyv1_{'1' * 31}2"),
    ],
)
def test_the_public_half_is_named_as_restate_names_it(key: str, name: str):
    assert public_name(bytes.fromhex(key)) == name
