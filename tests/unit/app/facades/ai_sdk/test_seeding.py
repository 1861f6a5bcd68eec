"""What a page is loaded with."""

from fakes.partner import agent
from outlast.protocol import Message, Resolution, ToolCall
from outlast_app.facades.ai_sdk.seeding import ui_messages
from unit.app.facades.ai_sdk.test_messages import RUN, THREAD, had


def test_a_run_is_one_message() -> None:
    """All turns of a run are steps of one answer, with its calls and what came of them."""
    shown = ui_messages(agent, THREAD[:4])
    assert [message["id"] for message in shown] == ["u1", f"msg_{RUN}"]
    types = [part["type"] for part in shown[1]["parts"]]
    assert types == ["step-start", "dynamic-tool", "step-start", "text"]
    part = shown[1]["parts"][1]
    assert (part["state"], part["output"]) == ("output-available", "red")
    assert part["toolCallId"] == f"call_{RUN}_1_0"


def _called(name: str, result: Message) -> dict[str, object]:
    call = ToolCall(call_id="1.0", name=name, arguments={"of": "ann"})
    [message] = ui_messages(agent, [had("a", "assistant", "", tool_calls=[call]), result])
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
