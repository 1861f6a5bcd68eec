"""A thread's messages in the protocol's words: what a page begins with."""

from collections.abc import Sequence

from outlast.protocol import Message
from outlast_app.facades.ag_ui.messages import shown_arguments, shown_content
from outlast_app.facades.ag_ui.sent import is_context
from outlast_app.facades.ag_ui.shown import Shown
from outlast_app.facades.conversations import run_saying
from outlast_app.facades.ids import is_runs_own, name_of, name_of_own_call


def shown_messages(said: Sequence[Message]) -> list[Shown]:
    """Return messages as the client that was told of them has them, from a user's one on."""
    turns: dict[str, int] = {}
    shown = [_shown(message, turns) for message in said if not is_context(message)]
    first = next((n for n, each in enumerate(shown) if each["role"] == "user"), len(shown))
    return shown[first:]


def _shown(message: Message, turns: dict[str, int]) -> Shown:
    """Return a message; `turns` has how far each run has come, and is kept up."""
    run_id = run_saying(message)
    content = shown_content(message.content)
    if message.role == "user":
        return {"id": message.id, "role": "user", "content": content}
    if message.role == "tool":
        call_id = message.call_id or ""
        return {
            "id": name_of_own_call("tool", run_id, call_id) or message.id,
            "role": "tool",
            "toolCallId": name_of_own_call("call", run_id, call_id) or call_id,
            "content": content,
        }
    shown: Shown = {"id": message.id, "role": "assistant"}
    if run_id:
        shown["id"] = name_of("msg", run_id, _turn_of(message, run_id, turns))
    if isinstance(content, str) and content:
        shown["content"] = content
    if message.tool_calls:
        shown["toolCalls"] = [
            {
                "id": name_of_own_call("call", run_id, call.call_id) or call.call_id,
                "type": "function",
                "function": {"name": call.name, "arguments": shown_arguments(call.arguments)},
            }
            for call in message.tool_calls
        ]
    return shown


def _turn_of(message: Message, run_id: str, turns: dict[str, int]) -> int:
    """Return the turn of an answer: its calls name it; else it is the one after the last."""
    calls = [call.call_id for call in message.tool_calls or () if is_runs_own(call.call_id)]
    turn = int(calls[0].partition(".")[0]) if calls else turns.get(run_id, 0) + 1
    turns[run_id] = turn
    return turn
