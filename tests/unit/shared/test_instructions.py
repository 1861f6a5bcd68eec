"""An agent's instructions: a text with placeholders, a file of one, or a function."""

import re
from pathlib import Path

import pytest

from outlast import Agent, DefinitionError, RunContext
from outlast.instructions import fill_in, needed_names
from outlast.registry import Registry


def an_agent(instructions: object) -> Agent:
    return Agent(name="support", instructions=instructions)  # type: ignore[arg-type]


@pytest.mark.parametrize("wrong", ["{{}}", "{{ user.name }}", "{{a b}}", "{{|x}}", "{{a.b|x}}"])
def test_no_placeholder(wrong: str) -> None:
    """What looks like a placeholder and is none would reach the model as it is."""
    with pytest.raises(DefinitionError, match=f"support: {re.escape(wrong)} in the instructions"):
        an_agent(f"Help {{{{company}}}} and {wrong}.")


@pytest.mark.parametrize(
    ("instructions", "names"),
    [
        ("Help.", ()),
        ("Help {{company}} and {{ company }} in {{city_2}}.", ("company", "city_2")),
        ('Help {{company-name}}. Answer {{"a": 1}}.', ("company-name",)),
        ('JSON such as {"a": {}} and {single} stay.', ()),
        ("Help {{company|us}}, {{ city | here }}, {{city}} and {{x|}}.", ("city",)),
    ],
)
def test_needed_names(instructions: str, names: tuple[str, ...]) -> None:
    """Each name that has no default is told once, in order."""
    assert needed_names(instructions) == names
    assert an_agent(instructions).placeholders == names


def test_fill_in() -> None:
    """Texts are filled in as they are, other values as JSON, and nothing is filled in twice."""
    text = "{{name}} has {{ stock }}; {{name}}. Keep {this}."
    assert fill_in(text, {"name": "Café {{stock}}", "stock": {"ä": [1, None]}, "unused": 1}) == (
        'Café {{stock}} has {"ä": [1, null]}; Café {{stock}}. Keep {this}.'
    )
    with pytest.raises(KeyError, match="stock"):
        fill_in(text, {"name": "x"})


@pytest.mark.parametrize(
    ("context", "filled"),
    [
        ({}, "Hello there, at noon; ."),
        ({"who": None, "end": None}, "Hello there, at noon; ."),
        ({"who": "", "when": 0, "end": "bye"}, "Hello , 0; bye."),
    ],
)
def test_defaults(context: dict[str, object], filled: str) -> None:
    """What is missing or null has its default; what is given counts, however empty."""
    assert fill_in("Hello {{who|there}}, {{ when | at noon }}; {{end|}}.", context) == filled


def test_a_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A path is relative to the file that declares the agent, wherever the process runs."""
    (tmp_path / "support.md").write_text("Help {{company|us}}. Grüße!\n")
    code = (
        "from pathlib import Path\nfrom outlast import Agent\n"
        "agent = Agent(name='a', instructions=Path('support.md'))\n"
    )
    (tmp_path / "declared_here.py").write_text(code)
    monkeypatch.syspath_prepend(tmp_path)
    declared = __import__("declared_here").agent
    assert declared.instructions == "Help {{company|us}}. Grüße!\n"
    assert an_agent(tmp_path / "support.md").instructions == declared.instructions


@pytest.mark.parametrize("content", [None, b"\xff\xfe", b" \n"], ids=["none", "binary", "empty"])
def test_a_file_that_is_none(tmp_path: Path, content: bytes | None) -> None:
    """What can't be read, or says nothing, is refused where the agent is declared."""
    path = tmp_path / "support.md"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(DefinitionError, match=r"agent support: .*(support.md|empty)"):
        an_agent(path)


def test_a_function() -> None:
    """A function needs nothing of the context, and only its name is shown."""

    async def greet(context: RunContext) -> str:
        return f"Greet {context.tenant}."

    agent = an_agent(greet)
    assert agent.placeholders == ()
    shown = Registry([agent], "openai/x").describe(agent).instructions
    assert shown == "(made for each run by test_a_function.<locals>.greet)"


@pytest.mark.parametrize("wrong", [None, 7, ["Help."]])
def test_something_else(wrong: object) -> None:
    """The three kinds are told of."""
    with pytest.raises(DefinitionError, match="must be a text, a Path or a function"):
        an_agent(wrong)
