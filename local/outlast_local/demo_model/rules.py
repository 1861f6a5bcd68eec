"""What the demo model says: rules instead of a model. Pure: messages in, one answer out.

Tools that a script knows are called as it says. Of others one that fits the question is called
once, with guessed values. Before that, a skill is read whose name fits, and where no tool does,
tools are searched for. Then, or without tools, it says what came of it.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from outlast_local.demo_model import conversation
from outlast_local.demo_model.conversation import Turn
from outlast_local.demo_model.guessing import (
    arguments_for,
    fitting_skill,
    fitting_tool,
    value_for,
)
from outlast_local.demo_model.openai_wire import Answer, count_usage, parse_object
from outlast_local.demo_model.script import Script

NOTICE = (
    "(I am a stand-in with fixed rules: no real model was called. "
    "For a real one, set OPENAI_API_KEY and MODEL in .env.)"
)
_READS, _SEARCHES = "read_skill", "search_tools"
"""What the worker brings along."""
_GIST_WORDS = 20
_SUMMED_UP_WORDS = 6
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
    said = script.report(turn) or _report(turn) or _summary(turn) or _small_talk(turn)
    return f"{said.replace(f' {NOTICE}', '')} {NOTICE}"  # also said by agents that were asked


def _guessed(turn: Turn, script: Script) -> list[tuple[str, Mapping[str, Any]]]:
    made = {call.tool for call in turn.made}
    if made - {_READS, _SEARCHES} or script.report(turn):
        return []
    if _READS in turn.tools.keys() - made and (skill := fitting_skill(turn, _READS)):
        return [(_READS, {"name": skill})]
    others = (name for name in turn.tools if name not in (_READS, _SEARCHES))
    name = fitting_tool(turn, [name for name in others if not script.knows(name)])
    if name:
        return [(name, arguments_for(turn, name))]
    return [(_SEARCHES, {"query": turn.question})] if _SEARCHES in turn.tools.keys() - made else []


def _report(turn: Turn) -> str:
    used = [call for call in turn.made if call.tool != _SEARCHES] or turn.made
    return " ".join(f"{call.tool} answered: {_shortened(call.result)}" for call in used)


def _summary(turn: Turn) -> str:
    """Sum up messages that are handed over as JSON, a line each: how the user's begin."""
    messages = [parse_object(line) or {} for line in turn.question.splitlines()]
    begun = [str(each["text"]).split()[:_SUMMED_UP_WORDS] for each in messages if _is_user(each)]
    return f"The user wrote: {'; '.join(' '.join(words) for words in begun)}." if begun else ""


def _is_user(message: Mapping[str, Any]) -> bool:
    return message.get("role") == "user" and "text" in message


def _small_talk(turn: Turn) -> str:
    words = turn.question.split()
    gist = " ".join(words[:_GIST_WORDS]) + (" …" if len(words) > _GIST_WORDS else "")
    plural = "message" if turn.earlier == 1 else "messages"
    return f"You wrote: “{gist}”. I remember {turn.earlier} earlier {plural} of this conversation."


def _shortened(text: str) -> str:
    return text if len(text) <= _SHOWN_CHARS else f"{text[:_SHOWN_CHARS]} …"
