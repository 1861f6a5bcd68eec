"""Asks a model through the real client, as the loop would."""

import asyncio
import itertools
from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import Any, Literal

from fakes import ScriptedModel, Step
from fakes.records import NOON, model_call
from outlast import ModelSettings
from outlast.protocol import Limits, ToolChoice
from outlast_worker.engine.records import (
    ModelFault,
    ModelOutcome,
    ModelRecord,
    Pin,
    PinnedOutput,
    PinnedTool,
    StoredMessage,
)
from outlast_worker.live.hub import LiveHub
from outlast_worker.models.apis import make_apis
from outlast_worker.models.client import FailoverClient
from outlast_worker.models.rate_limits import RateLimits
from outlast_worker.settings import Provider

Client = Literal["direct", "litellm"]
SETTINGS: Mapping[Client, Literal["auto", "litellm"]] = {"direct": "auto", "litellm": "litellm"}
_KEYS = itertools.count(1)

TOOL = PinnedTool(
    name="refund",
    description="Pay back.",
    parameters={"type": "object", "properties": {"cents": {"type": "integer"}}},
)


class Asker:
    """Asks a model once, as the loop would, and remembers under which key the server knows it."""

    def __init__(self, server: ScriptedModel, client: Client = "direct") -> None:
        self.server = server
        self.client: Client = client
        self.key = f"question {next(_KEYS)}."
        self._clients: list[FailoverClient] = []
        self.limits = RateLimits()
        self.shown = ""
        """What watchers saw of the answer."""

    async def __call__(
        self,
        step: Step | None = None,
        *,
        model: str = "openai/x",
        stream: bool = False,
        attempt: int = 1,
        malformed: int = 0,
        timeout_s: float = 90,
        idle_s: float = 90,
        provider: Provider | None = None,
        history: Sequence[StoredMessage] = (),
        settings: ModelSettings | None = None,
        keep_reasoning: bool = False,
        tools: Sequence[PinnedTool] = (TOOL,),
        limits: RateLimits | None = None,
        turn: int = 1,
        tool_choice: ToolChoice | None = None,
        output: PinnedOutput | None = None,
    ) -> ModelOutcome:
        """Ask; the server answers with `step`, if it is given here."""
        if step is not None:
            self.server.script(self.key, [step])
        provider = Provider(base_url=self.server.url) if provider is None else provider
        providers = {model.partition("/")[0]: provider}
        apis = make_apis(SETTINGS[self.client], providers, timeout_s, idle_s)
        client = FailoverClient(apis, providers, timeout_s, limits=limits)
        self._clients.append(client)
        pin = Pin(
            at=NOON,
            digest="",
            instructions="Be brief.",
            model=model,
            model_settings=settings or ModelSettings(),
            tools=list(tools),
            limits=Limits(max_turns=1),
            model_retry_for_s=1,
            tool_choice=tool_choice,
            output=output,
            keep_reasoning=keep_reasoning,
        )
        question = StoredMessage(id="1", role="user", content=self.key, run_id="r", created_at=NOON)
        messages = [*history, question]
        call = model_call(
            pin,
            turn=turn,
            attempt=attempt,
            messages=messages,
            stream=stream,
            malformed=malformed,
        )
        hub = LiveHub(interval_s=0)
        with hub.running("", "r"):
            outcome = await client.complete(call, lambda: hub.begin("", 1))
            self.shown = hub.partial_answer("", 1)
        return outcome

    def another(self) -> "Asker":
        """Return one with a question of its own."""
        asker = Asker(self.server, self.client)
        asker._clients = self._clients
        return asker

    async def close(self) -> None:
        """Close all connections."""
        for client in self._clients:
            await client.close()

    async def answer(self, step: Step, **more: Any) -> ModelRecord:
        """Ask, and insist on an answer."""
        outcome = await self(step, **more)
        assert isinstance(outcome, ModelRecord), outcome
        return outcome

    async def fault(self, step: Step | None = None, **more: Any) -> ModelFault:
        """Ask, and insist on a fault."""
        outcome = await self(step, **more)
        assert isinstance(outcome, ModelFault), outcome
        return outcome

    @property
    def requests(self) -> int:
        """How often the server was asked."""
        return self.server.count(self.key)


async def given_up(
    ask: Asker,
    step: Step | None,
    limit: Literal["timeout_s", "idle_s"],
    *,
    path: str | None = None,
    **more: Any,
) -> tuple[ModelFault, float]:
    """Ask with a limit that the answer does not keep; the server sees its client go.

    On a busy machine a short one may be over before the request has arrived: then with a longer
    one, which is returned. `path`: where the server plays the answer, if `step` is not it.
    """
    for limit_s in (0.3, 1.0, 3.0, 9.0):
        asking = ask.another()
        outcome = await asking.fault(step, **{limit: limit_s}, **more)
        with suppress(TimeoutError):
            await asyncio.to_thread(
                ask.server.wait_for, path or asking.key, outcome="aborted", timeout_s=limit_s
            )
            return outcome, limit_s
    raise AssertionError("the server has seen no client go")
