"""Fixtures for tests of agents; pytest finds them by itself where `outlast[local]` is installed.

Nothing is imported before a test asks for it.
"""

import asyncio
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from outlast.testing import RunAgent, RunResult
    from outlast_local.testing.project_stack import OutlastStack


@pytest.fixture
def run_agent() -> "RunAgent":
    """`outlast.testing.run_in_memory` for tests that are plain functions."""
    from outlast.testing import run_in_memory

    def run(*args: Any, **kwargs: Any) -> "RunResult":
        __tracebackhide__ = True
        try:
            asyncio.get_running_loop()
        except RuntimeError:
            return asyncio.run(run_in_memory(*args, **kwargs))
        raise RuntimeError("in an async test, write `await run_in_memory(…)`")

    return run


@pytest.fixture(scope="session")
def outlast_stack(
    pytestconfig: pytest.Config, tmp_path_factory: pytest.TempPathFactory
) -> "Iterator[OutlastStack]":
    """Restate, worker and app of the project's agents, with a scripted model; once a session."""
    from outlast.settings_errors import read_settings
    from outlast_local.settings import LocalSettings
    from outlast_local.testing.project_stack import OutlastStack

    project = pytestconfig.rootpath
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(project)
        agents = read_settings(LocalSettings).agents
    with OutlastStack(tmp_path_factory.mktemp("outlast"), agents, project) as stack:
        yield stack
