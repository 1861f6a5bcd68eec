"""What a page is loaded with."""

import pytest

from fakes.partner import agent
from outlast.protocol import Message, Resolution, Run, ToolCall
from outlast_app.facades.ai_sdk.seeding import ui_messages
from outlast_app.facades.conversations import with_open
from unit.app.facades.ai_sdk.test_messages import RUN, THREAD, had


def test_a_run_is_one_message() -> None:
    """All turns of a run are steps of one answer, with its calls and what came of them."""
    shown = ui_messages(agent, THREAD)
    assert [message["id"] for message in shown] == ["u1", f"msg_{RUN}"]
    types = [part["type"] for part in shown[1]["parts"]]
    assert types == ["step-start", "dynamic-tool", "step-start", "text"]
    part = shown[1]["parts"][1]
    assert (part["state"], part["output"]) == ("output-available", "red")
    assert part["toolCallId"] == f"call_{RUN}_1_0"


def _called(name: str, result: Message) -> dict[str, object]:
    call = ToolCall(call_id="1.0", name=name, arguments={"of": "ann"})
    [message] = ui_messages(agent, [had(f"{RUN}:2", "assistant", "", tool_calls=[call]), result])
    return message["parts"][1]


def test_a_tool_of_the_page() -> None:
    """Its part has the tool's name, and its output is what the page had sent."""
    part = _called("locate", had("t", "tool", '{"lat": 1}', call_id="1.0"))
    assert (part["type"], part["output"]) == ("tool-locate", {"lat": 1})
    assert "providerExecuted" not in part


def test_what_was_refused_and_what_failed() -> None:
    """A page shows both as it would have, had it been there."""
    by = Resolution(action="reject", reason="no", at=THREAD[0].created_at)
    part = _called("transfer", had("t", "tool", "rejected", call_id="1.0", approval=by))
    assert (part["state"], part["approval"]) == (
        "output-denied",
        {"id": f"call_{RUN}_1_0", "approved": False, "reason": "no"},
    )
    part = _called("look_up", had("t", "tool", "no rain", call_id="1.0", is_error=True))
    assert (part["state"], part["errorText"]) == ("output-error", "no rain")


def test_after_another_answer() -> None:
    """What was kept when a history was replaced is shown as before: nothing has two names."""
    again = f"partner.{'b' * 26}"
    kept = [message.model_copy(update={"run_id": again}) for message in THREAD]
    new = [had("u2", "user", "Blue?"), had(f"{again}:6", "assistant", "Blue.")]
    shown = ui_messages(agent, [*kept, *new])
    assert [message["id"] for message in shown] == ["u1", f"msg_{RUN}", "u2", f"msg_{again}"]
    assert shown[1]["parts"][1]["toolCallId"] == f"call_{RUN}_1_0"
    assert shown[1]["parts"][1]["output"] == "red"


def test_a_run_that_was_spoken_to() -> None:
    """Its answer is several messages, of different names; the last one goes on."""
    said = [*THREAD, had(f"{RUN}:in.0", "user", "Quick!"), had(f"{RUN}:6", "assistant", "Red!")]
    shown = ui_messages(agent, said)
    assert [message["id"] for message in shown] == ["u1", f"{RUN}:2", f"{RUN}:in.0", f"msg_{RUN}"]


NEXT = f"partner.{'b' * 26}"


def _goes_on(*messages: Message) -> Run:
    said = [message.model_copy(update={"run_id": NEXT}) for message in messages]
    return Run(run_id=NEXT, agent="partner", status="running", messages=said)


@pytest.mark.parametrize(
    ("given", "ids"),
    [
        ([had("u2", "user", "Blue?")], [*(m.id for m in THREAD), "u2"]),
        ([*THREAD[:1]], ["u1"]),
        ([*THREAD, had("u2", "user", "Blue?")], [*(m.id for m in THREAD), "u2"]),
    ],
    ids=["a new message", "the first once more", "all kept"],
)
def test_while_a_run_goes_on(given: list[Message], ids: list[str]) -> None:
    """The page has what was said to it, and not what that takes the place of."""
    run = _goes_on(*given, had(f"{NEXT}:9", "assistant", "Let me"))
    assert [message.id for message in with_open(THREAD, run)] == ids
    ended = [*THREAD, *(run.messages or ())]
    assert with_open(ended, run) is ended
