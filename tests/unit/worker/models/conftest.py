"""The real model client in this process against it."""

import gc
import warnings
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from fakes import ScriptedModel
from outlast.providers import PROVIDERS
from outlast_worker.models.litellm import LitellmApi, load_litellm
from unit.worker.models.asking import Asker, Client

_HERE = Path(__file__).parent
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


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Let pass what litellm does not close: it is collected during any test after."""
    for item in items:
        if item.path.is_relative_to(_HERE):
            item.add_marker(pytest.mark.filterwarnings("ignore:unclosed:ResourceWarning"))


@pytest.hookimpl(trylast=True)
def pytest_runtest_teardown(nextitem: pytest.Item | None) -> None:
    """Collect connections that litellm has not closed here, or they fail tests of other rooms."""
    if nextitem is None or not nextitem.path.is_relative_to(_HERE):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ResourceWarning)
            gc.collect()


@pytest.fixture(scope="session")
def litellm_loaded() -> None:
    """Import it outside of any call's time, of which a busy machine may take all for that."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        load_litellm()


@pytest.fixture(params=["direct", "litellm"])
def client(request: pytest.FixtureRequest) -> Client:
    """The client that a test asks through; a file that is about one of them has its own."""
    return request.param


@pytest.fixture
async def ask(
    litellm_loaded: None, client: Client, model: ScriptedModel, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[Asker]:
    keys = [name for known in PROVIDERS.values() for name in (*known.keys, *known.instead)]
    for variable in (*keys, *_ADDRESSES):
        monkeypatch.delenv(variable, raising=False)
    asker = Asker(model, client)
    yield asker
    model.forget(asker.key)
    await asker.close()
    await LitellmApi(1, 1).close()  # of tests that call litellm themselves
