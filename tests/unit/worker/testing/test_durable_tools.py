"""The test kit plays durable tools: real steps, and no time between them."""

from datetime import timedelta

import pytest
from pydantic import BaseModel

from outlast import Agent, DurableContext, StepError, ToolError, tool
from outlast.testing import call, run_in_memory, text


class Parcel(BaseModel):
    """What a step returns."""

    name: str
    sent: bool = False


TRIES: list[str] = []


async def wrap(name: str) -> Parcel:
    TRIES.append("wrap")
    if TRIES.count("wrap") < 3:
        raise ConnectionError("away")
    return Parcel(name=name)


def refuse(parcel: Parcel) -> None:
    raise ToolError(f"{parcel.name} is too heavy")


def leak() -> None:
    raise ValueError("secret 4711")


@tool(durable=True, signals=["paid"], retries=2)
async def ship(name: str, how: str, context: DurableContext) -> Parcel:
    """Ship something.

    Args:
        name: What.
        how: Well, or not.
    """
    match how:
        case "lambda":
            await context.step("wrap", lambda: wrap(name))
        case "leak":
            await context.step("leak", leak)
        case "exit":
            raise SystemExit(3)
        case _:
            pass
    parcel = await context.step("wrap", wrap, name=name)
    assert isinstance(parcel, Parcel)
    if how == "refuse":
        await context.step("refuse", refuse, parcel)
    await context.sleep(timedelta(days=2))
    if await context.wait_for_signal("paid") != "yes":
        raise ToolError("It is not paid.")
    return parcel.model_copy(update={"sent": True})


AGENT = Agent(name="shop", instructions="Ship.", tools=[ship])


@pytest.fixture(autouse=True)
def no_tries() -> None:
    """Begin anew."""
    TRIES.clear()


async def play(how: str, paid: str = "yes") -> tuple[str, str]:
    """Return what clients and the model are told of a call."""
    run = await run_in_memory(
        AGENT,
        "Ship it.",
        model=[call("ship", name="box", how=how), text("Done.")],
        signals={"paid": paid},
    )
    assert run.output == "Done."
    [shown] = [m.content for m in run.messages if m.role == "tool"]
    return str(shown), str(run.requests[-1].messages[-1].content)


async def test_steps_are_tried_again_and_typed() -> None:
    """A step that fails is tried as often as the tool says, and gives what its hints say."""
    shown, _ = await play("well")
    assert shown == '{"name":"box","sent":true}'
    assert TRIES == ["wrap"] * 3


@pytest.mark.parametrize(
    ("how", "shown", "told"),
    [
        ("refuse", "box is too heavy", "box is too heavy"),
        ("leak", "step leak: ValueError. The", "step leak: ValueError: secret 4711"),
        ("lambda", "step wrap: TypeError. The", "hand over the async function itself"),
        ("exit", "failed: SystemExit. The", "SystemExit: 3"),
    ],
)
async def test_what_fails(how: str, shown: str, told: str) -> None:
    """Clients read what is for them, and the model all of it."""
    for_clients, for_model = await play(how)
    assert shown in for_clients
    assert told in for_model
    assert "4711" not in for_clients


async def test_a_signal_that_says_no() -> None:
    """The tool gets what the test sends."""
    assert (await play("well", paid="no"))[0] == "It is not paid."


def test_errors_are_public() -> None:
    """An author can catch a step's error by its name."""
    assert issubclass(StepError, Exception)
