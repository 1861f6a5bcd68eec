"""The lifespan of the agents' module: what is taken for one, and what is refused."""

import re
import sys
from collections.abc import AsyncGenerator, Callable, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Self

import pytest

from outlast import DefinitionError
from outlast.lifespan import name_of, open_lifespan
from outlast.registry import load_registry

MODEL = "openai/x"
AGENTS = "from outlast import Agent\nagents = [Agent(name='a', instructions='Help.')]\n"
IMPORTS = "from contextlib import asynccontextmanager, contextmanager\n"


@pytest.fixture
def module(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest
) -> Iterator[Callable[[str], str]]:
    """Make a package of agents with this code, and return its name."""
    monkeypatch.syspath_prepend(tmp_path)
    name = f"desk_{abs(hash(request.node.name))}"
    package = tmp_path / name

    def make(code: str) -> str:
        package.mkdir()
        (package / "__init__.py").write_text(f"{IMPORTS}{code}\n{AGENTS}")
        (package / "resources.py").write_text("")
        return name

    yield make
    for imported in [known for known in sys.modules if known.partition(".")[0] == name]:
        del sys.modules[imported]


class Pool:
    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_error: object) -> None:
        pass


@pytest.mark.parametrize(
    "code",
    [
        "@asynccontextmanager\nasync def lifespan():\n  raise AssertionError('entered')\n  yield",
        "@asynccontextmanager\nasync def lifespan(size=3): yield size",
        "class lifespan:\n  async def __aenter__(self): ...\n  async def __aexit__(self, *_): ...",
        "def lifespan(): raise AssertionError('called')",
    ],
    ids=["function", "with a default", "class", "plain function"],
)
def test_module_with_a_lifespan(module: Callable[[str], str], code: str) -> None:
    """It is found beside the agents, and neither called nor entered: the app imports it, too."""
    registry = load_registry(module(code), MODEL)
    assert registry.lifespan is not None
    assert name_of(registry.lifespan).endswith(".lifespan")


def test_module_without_a_lifespan(module: Callable[[str], str]) -> None:
    """There need not be one."""
    assert load_registry(module(""), MODEL).lifespan is None


@pytest.mark.parametrize(
    ("code", "fix"),
    [
        ("async def lifespan(): yield", "is not a context manager; write `@asynccontextmanager`"),
        ("def lifespan(): yield", "is not a context manager; write `@asynccontextmanager`"),
        ("async def lifespan(): return 1", "is not a context manager; write"),
        ("@contextmanager\ndef lifespan(): yield", "is a plain context manager; write"),
        ("lifespan = 5", "`lifespan` is 5; write `@asynccontextmanager`"),
        ("@asynccontextmanager\nasync def lifespan(app): yield", "takes 'app', but nobody gives"),
        ("@asynccontextmanager\nasync def lifespan(*, app): yield", "takes 'app', but nobody"),
        ("@asynccontextmanager\nasync def _made(): yield\nlifespan = _made()", "without `()`"),
        ("import NAME.resources as lifespan", "write `from NAME.resources import lifespan`"),
    ],
)
def test_lifespans_of_the_wrong_kind(
    module: Callable[[str], str], request: pytest.FixtureRequest, code: str, fix: str
) -> None:
    """What can't be entered is refused where the agents are read, with the way to mend it."""
    name = f"desk_{abs(hash(request.node.name))}"
    module(code.replace("NAME", name))
    with pytest.raises(
        DefinitionError, match=f"AGENTS={name}: .*{re.escape(fix.replace('NAME', name))}"
    ):
        load_registry(name, MODEL)


async def test_opening() -> None:
    """What a lifespan returns can be entered: of `@asynccontextmanager`, or a pool of its own."""

    @asynccontextmanager
    async def lifespan() -> AsyncGenerator[int]:
        yield 5

    async with open_lifespan(lifespan) as resources:
        assert resources == 5
    async with open_lifespan(Pool) as resources:
        assert isinstance(resources, Pool)


def test_opening_what_is_nothing_to_enter() -> None:
    """A plain function that forgot its decorator is found out when it is called."""

    def lifespan() -> Any:
        return None

    with pytest.raises(DefinitionError, match="lifespan returned None, which is not an async"):
        open_lifespan(lifespan)
