"""The demo: what it starts ends with it, and it says what goes on."""

import signal
import time
from collections.abc import Callable

import pytest

from fakes.local_command import DEMO, MOMENTS_S, LocalCommand

Start = Callable[..., LocalCommand]


def test_demo(start: Start) -> None:
    """The demo shows a run that ends well after two crashes, and leaves nothing."""
    demo = start(DEMO)
    demo.wait_to_end()
    said = demo.said()
    assert demo.process.returncode == 0, said
    assert said.count("SIGKILL of the worker") == 2
    for line in (
        "child.started  warehouse",
        "tool_call.started  find_stock",
        "handoff  desk → support",
        "approval.requested  refund",
        "2 ×  warehouse  model 1",
        "1 ×  warehouse  tool find_stock",
        "1 ×  desk       handoff transfer_to_support",
        "2 ×  desk       tool refund",
        "is completed:",
        "The warehouse says: Desk lamp, brass: 12 in stock.",
    ):
        assert line in said, said
    assert said.count("paid      R-5001: A-1002, 249.00 €") == 1
    assert "Traceback" not in said
    assert demo.left() == []


@pytest.mark.parametrize("moment", ["Starting Restate", "turn.started", "SIGKILL of the worker"])
@pytest.mark.parametrize("times", [1, 2])
def test_ctrl_c_in_the_demo(start: Start, moment: str, times: int) -> None:
    """Ctrl-C ends the demo within moments and with one line, and leaves nothing; twice, too."""
    demo = start(DEMO)
    demo.wait_to_say(moment)
    for _ in range(times):
        demo.press_ctrl_c()
        time.sleep(0.1)
    assert demo.wait_to_end() < MOMENTS_S
    assert demo.left() == []
    assert demo.said().count("Stopping …") == 1
    assert "Traceback" not in demo.said()


def test_a_closed_terminal(start: Start) -> None:
    """The end of the terminal is the end of the demo."""
    demo = start(DEMO)
    demo.wait_to_say("turn.started")
    demo.process.send_signal(signal.SIGHUP)
    demo.wait_to_end()
    assert demo.left() == []
