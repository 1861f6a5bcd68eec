"""What the demo model says: rules instead of a model. Pure: messages in, one answer out.

Tools that a script knows are called as it says. Of others one that fits the question is called
once, with guessed values. Then, or without tools, it says what came of it.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from outlast_local.demo_model import conversation
from outlast_local.demo_model.conversation import Turn
from outlast_local.demo_model.guessing import arguments_for, fitting_tool, value_for
from outlast_local.demo_model.openai_wire import Answer, count_usage
from outlast_local.demo_model.script import Script

NOTICE = (
    "(I am a stand-in with fixed rules: no real model was called. "
    "For a real one, set OPENAI_API_KEY and MODEL in .env.)"
)
_GIST_WORDS = 20
_SHOWN_CHARS = 400


def answer(request: Mapping[str, Any], script: Script) -> Answer:
    """Answer a chat-completions request."""
    turn = conversation.read(request)
    calls = script.calls(turn) or _guessed(turn, script)
    made = Answer(tool_calls=turn.calls(calls)) if calls else Answer(text=_text(turn, script))
    return replace(made, usage=count_usage(request["messages"], made))


def _text(turn: Turn, script: Script) -> str:
    if turn.shape is not None:
        return json.dumps(value_for(turn.question, turn.shape))
    return f"{script.report(turn) or _report(turn) or _small_talk(turn)} {NOTICE}"


def _guessed(turn: Turn, script: Script) -> list[tuple[str, Mapping[str, Any]]]:
    if turn.made or script.report(turn):
        return []
    name = fitting_tool(turn, [name for name in turn.tools if not script.knows(name)])
    return [(name, arguments_for(turn, name))] if name else []


def _report(turn: Turn) -> str:
    return " ".join(f"{call.tool} answered: {_shortened(call.result)}" for call in turn.made)


def _small_talk(turn: Turn) -> str:
    words = turn.question.split()
    gist = " ".join(words[:_GIST_WORDS]) + (" …" if len(words) > _GIST_WORDS else "")
    plural = "message" if turn.earlier == 1 else "messages"
    return f"You wrote: “{gist}”. I remember {turn.earlier} earlier {plural} of this conversation."


def _shortened(text: str) -> str:
    return text if len(text) <= _SHOWN_CHARS else f"{text[:_SHOWN_CHARS]} …"
