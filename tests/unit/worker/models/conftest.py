"""The real model client in this process against it."""

from collections.abc import AsyncIterator

import pytest

from fakes import ScriptedModel
from outlast.providers import PROVIDERS
from outlast_worker.models.litellm import load_litellm
from unit.worker.models.asking import Asker

_ADDRESSES = (
    "OPENAI_BASE_URL",
    "OPENAI_API_BASE",
    "ANTHROPIC_API_BASE",
    "ANTHROPIC_BASE_URL",
    "HTTP_PROXY",
    "HTTPS_PROXY",
    "ALL_PROXY",
    "http_proxy",
    "https_proxy",
    "all_proxy",
)


@pytest.fixture
async def ask(model: ScriptedModel, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Asker]:
    keys = [name for known in PROVIDERS.values() for name in (*known.keys, *known.instead)]
    for variable in (*keys, *_ADDRESSES):
        monkeypatch.delenv(variable, raising=False)
    asker = Asker(model)
    yield asker
    model.forget(asker.key)
    await load_litellm().close_litellm_async_clients()
