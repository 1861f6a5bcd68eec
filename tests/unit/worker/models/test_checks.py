"""What no call of a model could mend is refused before the worker serves."""

import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path

import pytest

import outlast_worker.__main__
from outlast import Agent, DefinitionError
from outlast.registry import Registry
from outlast.settings_errors import InvalidSettings
from outlast_worker.installed import NotInstalled
from outlast_worker.models.checks import check_models
from outlast_worker.models.litellm import LitellmApi


def check(
    model: str | None = None, default: str = "openai/x", providers: Iterable[str] = ()
) -> None:
    registry = Registry([Agent(name="desk", instructions="Help.", model=model)], default)
    check_models([LitellmApi(1, 1)], registry, providers)


@pytest.mark.parametrize(
    ("model", "advice"),
    [
        ("opnai/gpt-5", "did you mean openai/gpt-5?"),
        ("google/gemini-2.5-pro", "did you mean gemini/gemini-2.5-pro?"),
        ("OpenAI/gpt-5", "did you mean openai/gpt-5?"),
        ("ours/llama", "or openai/llama with your server's address in WORKER_PROVIDERS"),
    ],
)
def test_unknown_provider(model: str, advice: str) -> None:
    """A model of a provider that nobody knows is refused, with what to write."""
    with pytest.raises(DefinitionError) as refused:
        check(model)
    assert str(refused.value).startswith(f"agent desk: model is {model!r}: no provider is called")
    assert str(refused.value).endswith(advice)
    with pytest.raises(DefinitionError, match=f"the setting MODEL is {model!r}"):
        check(default=model)


def test_unknown_provider_in_the_settings() -> None:
    """So is one in WORKER_PROVIDERS, which is not shown, since it may be a key."""
    with pytest.raises(InvalidSettings, match="name 2 is not a provider's; did you mean openai"):
        check(providers=["gemini", "opnai"])
    with pytest.raises(InvalidSettings, match="name 1 is not a provider's") as refused:
        check(providers=["secret-1"])
    assert "secret" not in str(refused.value)


def test_what_only_litellm_knows() -> None:
    """A provider that is litellm's, and not in our list, is taken."""
    check("predibase/llama")


def test_known_providers_load_nothing() -> None:
    """A provider of our list is known without litellm, which takes seconds to import."""
    code = (
        "import sys\n"
        "from outlast import Agent\n"
        "from outlast.registry import Registry\n"
        "from outlast_worker.models.checks import check_models\n"
        "from outlast_worker.models.litellm import LitellmApi\n"
        "agents = Registry([Agent(name='desk', instructions='Help.')], 'openai/x')\n"
        "check_models([LitellmApi(1, 1)], agents, ['gemini'])\n"
        "sys.exit('litellm' in sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)


def test_without_litellm(monkeypatch: pytest.MonkeyPatch) -> None:
    """An agent whose provider is called through litellm needs it."""
    monkeypatch.setitem(sys.modules, "litellm", None)  # importing it fails
    with pytest.raises(NotInstalled, match="openai"):
        check()


@pytest.mark.usefixtures("logging_as_before")
def test_a_worker_without_litellm(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    """Without it the worker does not start, and says in one line what to run."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("AGENTS", "example_agents")
    monkeypatch.setenv("MODEL", "gemini/gemini-2.5-flash")  # which is called through it
    monkeypatch.setattr("sys.argv", ["program"])
    monkeypatch.setitem(sys.modules, "litellm", None)  # importing it fails
    assert outlast_worker.__main__.main() == 1
    [line] = capsys.readouterr().err.splitlines()
    assert line.endswith('not installed. Run: pip install "outlast-worker[litellm]"')
