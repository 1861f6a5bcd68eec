"""Asks over Anthropic's Messages."""

from collections.abc import AsyncIterator
from typing import Any

import pytest

from fakes import Step
from outlast_worker.engine.records import ModelFault, ModelOutcome, ModelRecord
from outlast_worker.settings import Provider
from unit.worker.models.asking import Asker, Client

MODEL = "anthropic/claude-sonnet-4-5"


class Messenger:
    """Asks a server that answers at a path of the test's own."""

    def __init__(self, ask: Asker) -> None:
        self.ask = ask
        self.path = f"/{ask.key.replace(' ', '-')}"

    async def __call__(self, step: Step, *, model: str = MODEL, **more: Any) -> ModelOutcome:
        self.ask.server.play(self.path, step)
        there = more.pop("provider", None) or Provider(base_url=self.url)
        return await self.ask(model=model, provider=there, **more)

    async def answer(self, step: Step, **more: Any) -> ModelRecord:
        outcome = await self(step, **more)
        assert isinstance(outcome, ModelRecord), outcome
        return outcome

    async def fault(self, step: Step, **more: Any) -> ModelFault:
        outcome = await self(step, **more)
        assert isinstance(outcome, ModelFault), outcome
        return outcome

    @property
    def url(self) -> str:
        return f"{self.ask.server.origin}{self.path}"

    @property
    def bodies(self) -> list[Any]:
        """What was asked."""
        requests = self.ask.server.requests(self.path)
        assert {request.path for request in requests} == {f"{self.path}/v1/messages"}
        return [request.body for request in requests]


@pytest.fixture
def client() -> Client:
    """These tests are about the direct client alone."""
    return "direct"


@pytest.fixture
def litellm_loaded() -> None:
    """Nothing here needs it."""


@pytest.fixture
async def messages(ask: Asker) -> AsyncIterator[Messenger]:
    messenger = Messenger(ask)
    yield messenger
    ask.server.forget(messenger.path)
