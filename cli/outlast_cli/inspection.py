"""How a run was made, as a person reads it."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from pydantic import BaseModel
from rich.console import Group, RenderableType
from rich.text import Text

from outlast.protocol import DefinedTool, InputMessage, Order, Prompt, RunDefinition
from outlast_cli.fold import text_of
from outlast_cli.output import as_text, printable, whole
from outlast_cli.transcript import lines_of

_HISTORY_IS_GONE = "(What was said on the thread before is not there any more.)"


def definition(shown: RunDefinition) -> RenderableType:
    """Lay a definition out."""
    facts = {
        "agent": shown.agent,
        "digest": shown.digest,
        "model": shown.model,
        "settings": _settings(shown.model_settings),
        "limits": _settings(shown.limits),
    }
    return Group(whole(shown.run_id), *_facts(facts), *_told(shown.instructions, shown.tools))


def prompt(shown: Prompt) -> RenderableType:
    """Lay out what a model was sent."""
    return Group(
        whole(shown.run_id),
        *_facts({"turn": shown.turn, "agent": shown.agent, "model": shown.model}),
        *_told(shown.instructions, shown.tools),
        *([] if shown.is_whole else [Text(_HISTORY_IS_GONE, "yellow")]),
        *lines_of(shown.messages),
    )


def order(shown: Order) -> RenderableType:
    """Lay out what a run was asked for."""
    facts: dict[str, Any] = {
        "agent": shown.agent,
        "thread": shown.thread_id,
        "limits": _settings(shown.limits),
        "overrides": shown.overrides and _settings(shown.overrides),
        **{f"context {name}": value for name, value in shown.context.items()},
        **{f"metadata {name}": value for name, value in shown.metadata.items()},
    }
    return Group(whole(shown.run_id), *_facts(facts), *_said(shown.input))


def _facts(facts: Mapping[str, Any]) -> Iterator[Text]:
    for name, value in facts.items():
        if value:
            yield Text(printable(f"{name:<14}{value}"))


def _settings(given: BaseModel) -> str:
    return as_text(given.model_dump(mode="json", exclude_none=True)).strip("{}")


def _told(instructions: str, tools: Sequence[DefinedTool]) -> Iterator[Text]:
    yield Text("instructions", "dim")
    yield Text(printable(instructions))
    for tool in tools:
        mark = " (may need approval)" if tool.may_need_approval else ""
        yield Text(f"tool {printable(tool.name)}{mark}", "dim")
        yield Text(printable(f"{tool.description} {as_text(tool.parameters)}"))


def _said(messages: Sequence[InputMessage]) -> Iterator[Text]:
    for message in messages:
        yield Text(f"{message.role}: {printable(text_of(message.content))}", "cyan")
