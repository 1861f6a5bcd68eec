"""The kit plays agents that have skills: they are really read."""

from pathlib import Path

from fakes.skill_folders import write_skill
from outlast import Agent, HookedCall, Refuse, RunContext, before_tool
from outlast.testing import call, calls, run_in_memory, text


def clerk(folder: Path, **fields: object) -> Agent:
    files: dict[str, str | bytes] = {"periods.md": "Two years."}
    write_skill(folder / "claims", "Ask for a photo.", description="How to claim.", files=files)
    return Agent(
        name="clerk",
        instructions="Help {{who|everybody}}.",
        skills=[folder],
        overrides={"instructions"},
        **fields,  # type: ignore[arg-type]
    )


async def test_reading(tmp_path: Path) -> None:
    """The model is told of skills between the agent's instructions and the run's own."""
    result = await run_in_memory(
        clerk(tmp_path),
        "My lamp broke.",
        model=[
            calls(call("read_skill", name="claims"), call("read_skill", name="claims", file="p")),
            call("read_skill", name="claims", file="periods.md"),
            text("Send a photo."),
        ],
        instructions="Be brief.",
        context={"who": "{{all}}"},
    )
    told = result.requests[0].instructions.split("\n\n")
    assert (told[0], told[-2:]) == ("Help {{all}}.", ["- claims: How to claim.", "Be brief."])
    assert result.requests[0].tools == ["read_skill"]
    skill, wrong, periods = result.tool_calls
    assert skill.result.startswith("Ask for a photo.")
    assert (wrong.is_error, periods.result) == (True, "Two years.")
    assert result.usage.tool_calls == 3


@before_tool
def keep_claims(called: HookedCall, _context: RunContext) -> Refuse | None:
    """Let nobody read of claims."""
    return Refuse("Not yours.") if called.arguments.get("name") == "claims" else None


async def test_hooks(tmp_path: Path) -> None:
    """Hooks look at reads as at any call."""
    result = await run_in_memory(
        clerk(tmp_path, hooks=[keep_claims]),
        "My lamp broke.",
        model=[call("read_skill", name="claims"), text("I may not say.")],
    )
    [refused] = result.tool_calls
    assert (refused.result, refused.ran) == ("Not yours.", False)
