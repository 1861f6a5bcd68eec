"""Ids of other protocols: each finds its run, and nobody else's."""

import pytest

from fakes.watching import RUN_ID
from outlast.names import RunRef
from outlast_app.facades.ids import (
    key_of,
    lazy_thread_id,
    message_id_of,
    name_of,
    name_of_asked,
    name_of_call,
    read_asked,
    read_name,
    thread_id_of,
)

AGENT = "a_resp-1_x." + "a" * 26


@pytest.mark.parametrize("run_id", [RUN_ID, AGENT])
def test_names(run_id: str) -> None:
    """What is named is found again, in the tenant of whoever asks, whatever the agent is called."""
    named = read_name("t", name_of("resp", run_id, 3), "resp", count=1)
    assert named == (RunRef("t", run_id), (3,), None)
    call = read_name("t", name_of_call("fc", run_id, "2.10"), "call", "fc", count=2)
    assert call is not None
    assert (call.ref, call.call_id) == (RunRef("t", run_id), "2.10")
    chat = name_of("chatcmpl", run_id, 1, joined_by="-")
    assert chat == f"chatcmpl-{run_id}_1"
    assert read_name("t", chat, "chatcmpl", count=1)
    assert read_name("t", name_of("msg", run_id), "msg", count=0) == (
        RunRef("t", run_id),
        (),
        None,
    )


@pytest.mark.parametrize("run_id", [RUN_ID, AGENT])
@pytest.mark.parametrize("below", [RUN_ID, AGENT, None])
def test_names_of_what_is_asked(run_id: str, below: str | None) -> None:
    """They say which run is followed, and which one asks, whatever their agents are called."""
    key = key_of("2.10", below)
    named = read_asked("t", name_of_asked("call", run_id, key), "call", "mcpr")
    assert named
    assert (named.ref.run_id, named.below, named.call_id, named.key) == (run_id, below, "2.10", key)
    is_own = read_name("t", name_of_asked("call", run_id, key), "call", count=2) is not None
    assert is_own == (below is None)
    assert read_asked("t", name_of_asked("mcpr", run_id, key), "call") is None


@pytest.mark.parametrize(
    "text", ["", "resp_1", f"resp_{RUN_ID}", f"resp_{RUN_ID}_x", f"msg_{RUN_ID}_1", f"{RUN_ID}_1"]
)
def test_names_of_others(text: str) -> None:
    """What is nothing of ours, or of another kind, is told apart."""
    assert read_name("t", text, "resp", count=1) is None


def test_texts_that_clients_choose() -> None:
    """They stay as they are where they can, and are the same each time where they can't."""
    assert thread_id_of("customer-7") == "customer-7"
    odd = thread_id_of("🙂" * 300)
    assert odd == thread_id_of("🙂" * 300) != thread_id_of("🙂" * 299)
    assert thread_id_of(odd) == odd
    assert message_id_of("m:1") == "m:1"
    assert message_id_of("a b") not in ("a b", odd, None)
    assert message_id_of("") is message_id_of(None) is None


def test_a_thread_that_is_made_late() -> None:
    """It is named after the run that it goes on with."""
    assert lazy_thread_id(RUN_ID) == "r." + "a" * 26
