"""What users of openai-agents do, over both of OpenAI's APIs."""

import asyncio
import json
from typing import Any

from openai import AsyncOpenAI
from playing import play
from pydantic import BaseModel

from agents import (
    Agent,
    HostedMCPTool,
    OpenAIChatCompletionsModel,
    OpenAIResponsesModel,
    Runner,
    function_tool,
    set_tracing_disabled,
)

set_tracing_disabled(disabled=True)


@function_tool
def find_city(of: str) -> str:
    """Find a city."""
    return f"{of} is in Berlin"


class Colour(BaseModel):
    name: str


class Client:
    """An agent's models, by the API that they speak."""

    def __init__(self, url: str) -> None:
        openai = AsyncOpenAI(base_url=f"{url}/v1", api_key="none", timeout=30)
        self.chat = OpenAIChatCompletionsModel("partner", openai)
        self.responses = OpenAIResponsesModel("partner", openai)
        self.lead = OpenAIResponsesModel("lead", openai)

    def agent(self, model: Any, **options: Any) -> Agent[Any]:
        return Agent(name="x", instructions="Be kind.", model=model, **options)


LOOP = asyncio.Runner()
"""One for all: a client's connections belong to the loop that they were opened on."""


def _run(agent: Agent[Any], said: Any, **options: Any) -> Any:
    return LOOP.run(Runner.run(agent, said, **options))


def _each(client: Client) -> list[Any]:
    return [client.chat, client.responses]


def agents_plain(client: Client, key: str) -> None:
    for model in _each(client):
        assert _run(client.agent(model), key).final_output == "Hello you."


def agents_streamed(client: Client, key: str) -> None:
    async def stream(model: Any) -> str:
        result = Runner.run_streamed(client.agent(model), key)
        text = ""
        async for event in result.stream_events():
            if event.type == "raw_response_event":
                data: Any = event.data
                text += data.delta if data.type == "response.output_text.delta" else ""
        assert result.final_output == text
        return text

    for model in _each(client):
        assert LOOP.run(stream(model)) == "Hello you."


def agents_tools(client: Client, key: str) -> None:
    for model in _each(client):
        result = _run(client.agent(model, tools=[find_city]), key)
        assert result.final_output == "Found."
        outputs = [i.output for i in result.new_items if i.type == "tool_call_output_item"]
        assert outputs == ["ann is in Berlin"]


def agents_chained(client: Client, key: str) -> None:
    """Let the server keep what was said."""
    agent = client.agent(client.responses, tools=[find_city])
    first = _run(agent, key, auto_previous_response_id=True)
    assert first.final_output == "Found."
    second = _run(agent, f"{key} and", previous_response_id=first.last_response_id)
    assert second.final_output == "Found."


def agents_schema(client: Client, key: str) -> None:
    for model in _each(client):
        result = _run(client.agent(model, output_type=Colour), key)
        assert result.final_output == Colour(name="red")


def agents_own_tools(client: Client, key: str) -> None:
    """The served agent's own tools are nothing that a client would try to run."""
    for model in _each(client):
        assert _run(client.agent(model), key).final_output == "A word."


def hosted(label: str) -> HostedMCPTool:
    return HostedMCPTool(
        tool_config={
            "type": "mcp",
            "server_label": label,
            "server_url": "https://example.org",
            "require_approval": "always",
        }
    )


def agents_called_run_asks(client: Client, key: str) -> None:
    """So is one of an agent that the served one has called, by that one's label."""
    agent = Agent(name="x", model=client.lead, tools=[hosted("lead")])
    result = _run(agent, key, auto_previous_response_id=True)
    [asked] = result.interruptions
    assert (asked.name, json.loads(asked.arguments or "{}")) == ("tester.pay", {"cents": 5})
    state = result.to_state()
    state.approve(asked)
    assert _run(agent, state).final_output == "Sent."


def agents_approvals(client: Client, key: str) -> None:
    """An approval is an interruption, and goes on when it is approved."""
    agent = client.agent(client.responses, tools=[hosted("partner")])
    result = _run(agent, key, auto_previous_response_id=True)
    [asked] = result.interruptions
    assert json.loads(asked.arguments or "{}") == {"cents": 5}
    state = result.to_state()
    state.approve(asked)
    assert _run(agent, state).final_output == "Sent."


if __name__ == "__main__":
    play(dict(globals()), Client)
