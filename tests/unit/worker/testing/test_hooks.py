"""Hooks and guardrails in whole runs: what they see, and what becomes of what they return."""

from dataclasses import replace
from typing import Any

import pytest

from outlast import (
    AskAgain,
    AskPerson,
    HookedCall,
    Instead,
    ModelAnswer,
    Prompt,
    Refuse,
    RunContext,
    ToolResult,
    after_model,
    after_tool,
    before_model,
    input_guardrail,
    output_guardrail,
)
from outlast.testing import call, calls, run_in_memory, text
from unit.worker.testing.hooking import PAID, an_agent, before_pay, run


@pytest.fixture(autouse=True)
def _nobody_has_paid() -> None:
    PAID.clear()


# At the model.


async def test_what_the_model_reads_is_masked() -> None:
    """The model reads other words, in each later turn and run, and clients what was said."""
    seen: list[str] = []

    @before_model
    async def mask(prompt: Prompt, context: RunContext) -> Prompt:
        assert context.agent == "desk"
        seen.append(str(prompt.messages[0].content))
        messages = [
            said.model_copy(update={"content": str(said.content).replace("4711", "****")})
            for said in prompt.messages
        ]
        return replace(prompt, messages=messages)

    result = await run(mask, call("pay", cents=1), text("Done."), said="Use card 4711.")
    first, second = result.requests
    assert [str(said.content) for said in first.messages] == ["Use card ****."]
    assert [said.role for said in second.messages] == ["user", "assistant", "tool"]
    assert str(second.messages[-1].content) == "paid 1 to card ****"
    assert seen == ["Use card 4711.", "Use card ****."]
    assert result.messages[0].content == "Use card 4711."
    assert result.messages[2].content == "paid 1 to card 4711"


async def test_what_the_model_reads_is_left_empty() -> None:
    """A text that a hook has taken out is not shown as if the model had read it."""

    @before_model
    def empty(prompt: Prompt, _context: RunContext) -> Prompt:
        return replace(
            prompt, messages=[m.model_copy(update={"content": ""}) for m in prompt.messages]
        )

    result = await run(empty, text("Done."), said="4711")
    assert [message.content for message in result.requests[0].messages] == [""]


async def test_instructions_of_a_turn() -> None:
    """What a hook adds to the instructions is there for one turn."""

    @before_model
    def tell_turn(prompt: Prompt, _context: RunContext) -> Prompt:
        return replace(prompt, instructions=f"{prompt.instructions} Turn {prompt.turn}.")

    result = await run(tell_turn, call("pay", cents=1), text("Done."))
    assert [asked.instructions for asked in result.requests] == ["Help. Turn 1.", "Help. Turn 2."]


async def test_an_answer_without_a_model() -> None:
    """The model is not asked; the answer is said, and costs nothing."""

    @before_model
    def answer(_prompt: Prompt, _context: RunContext) -> Instead:
        return Instead("We are closed.")

    result = await run_in_memory(an_agent(answer), "Hello?", model=[])
    assert (result.status, result.output) == ("completed", "We are closed.")
    assert (result.usage.model_calls, result.usage.cost_usd) == (0, 0.0)


async def test_an_answer_is_changed() -> None:
    """Nobody sees what it was, also those who watch; a call that is taken out is not run."""

    @after_model
    def change(answer: ModelAnswer, _context: RunContext) -> ModelAnswer:
        return replace(answer, text=answer.text.replace("secret", "…"), calls=answer.calls[:1])

    result = await run(
        change,
        calls(call("pay", cents=1), call("pay", cents=2), text="A secret."),
        text("No secret."),
        stream=True,
    )
    assert result.output == "No …."
    assert PAID == [1]
    assert not result.live
    assert "secret" not in "".join(event.model_dump_json() for event in result.events)


async def test_asked_again() -> None:
    """The answer goes back with the reason, which counts as a turn; its calls are not run."""

    @after_model
    def check(answer: ModelAnswer, _context: RunContext) -> AskAgain | None:
        return AskAgain("Say please.") if "please" not in answer.text else None

    result = await run(check, calls(call("pay", cents=1), text="Give!"), text("please"))
    assert (result.output, PAID) == ("please", [])
    assert [str(said.content) for said in result.requests[1].messages] == [
        "Pay.",
        "Give!",
        "Say please.",
    ]
    stubborn = await run(check, *[text("Give!")] * 20)
    assert (stubborn.status, stubborn.run.incomplete_reason) == ("incomplete", "max_turns")


# Guardrails.


async def test_input_guardrail() -> None:
    """Each text of a user is looked at once; what trips one never reaches the model."""
    seen: list[str] = []

    def on_topic(said: str, _context: RunContext) -> Refuse | str | None:
        seen.append(said)
        if "bomb" in said:
            return Refuse("We don't talk about that.")
        return said.replace("damn", "d***") if "damn" in said else None

    guard = input_guardrail(on_topic)
    result = await run(
        guard, call("pay", cents=1), text("Done."), said="Pay, damn.", steering={1: "Now!"}
    )
    assert seen == ["Pay, damn.", "Now!"]
    assert str(result.requests[0].messages[0].content) == "Pay, d***."
    refused = await run_in_memory(an_agent(guard), "A bomb.", model=[])
    assert (refused.status, refused.requests) == ("failed", [])
    assert refused.error
    assert refused.error.type == "guardrail"
    assert refused.error.message == "on_topic: We don't talk about that."


async def test_output_guardrail() -> None:
    """An answer is changed, asked for again or refused before anybody sees it."""

    async def polite(said: str, _context: RunContext) -> Any:
        verdicts = {"rude": AskAgain("Be polite."), "vile": Refuse("It was vile.")}
        return verdicts.get(said, said.upper() if said == "quiet" else None)

    guard = output_guardrail(polite)
    result = await run(guard, call("pay", cents=1), text("rude"), text("quiet"))
    assert (result.output, PAID) == ("QUIET", [1])
    refused = await run(guard, text("vile"))
    assert (refused.status, refused.usage.model_calls) == ("failed", 1)
    assert "vile" not in "".join(m.model_dump_json() for m in refused.messages)


# At tools.


async def test_arguments_are_changed() -> None:
    """Hooks see each other's changes, in their order, and the tool runs with the last ones."""
    hooks = [
        before_pay(lambda call: replace(call, arguments={"cents": 2}), name="first"),
        before_pay(
            lambda call: replace(call, arguments={"cents": int(str(call.arguments["cents"])) * 10}),
            name="second",
        ),
    ]
    result = await run(hooks, calls(call("pay", cents=1), call("pay", cents=5)), text("Done."))
    assert PAID == [20, 20]
    assert [called.arguments for called in result.tool_calls] == [{"cents": 20}] * 2


async def test_a_condition_and_a_person_see_what_runs() -> None:
    """The order: the hook, then the tool's condition, then the person."""
    raise_it = before_pay(lambda call: replace(call, arguments={"cents": 500}))
    result = await run(
        raise_it, call("pay_much", cents=1), text("Done."), decisions={"pay_much": "approve"}
    )
    assert result.run.approvals[0].arguments == {"cents": 500}
    assert PAID == [500]


@pytest.mark.parametrize("decision", ["approve", "reject"])
async def test_a_person_is_asked(decision: Any) -> None:
    """A hook asks a person whatever the tool says, and tells them why."""
    ask = before_pay(lambda _: AskPerson("A new customer."))
    result = await run(ask, call("pay", cents=1), text("Done."), decisions={"pay": decision})
    assert result.run.approvals[0].question == "A new customer."
    assert ([1] if decision == "approve" else []) == PAID


async def test_a_call_is_refused() -> None:
    """The model reads why and goes on; what can't be read is refused before any hook sees it."""
    seen: list[dict[str, Any]] = []

    def refuse(asked: HookedCall) -> Refuse | None:
        seen.append(asked.arguments)
        return Refuse("Not today.") if asked.arguments["cents"] == 1 else None

    wrong = call("pay", cents="much")
    result = await run(
        before_pay(refuse), calls(call("pay", cents=1), call("pay", cents=2), wrong), text("Done.")
    )
    assert PAID == [2]
    refused, paid, unreadable = result.tool_calls
    assert (refused.result, refused.is_error, refused.ran) == ("Not today.", True, False)
    assert (paid.is_error, unreadable.is_error) == (False, True)
    assert seen == [{"cents": 1}, {"cents": 2}]
    assert result.usage.tool_calls == 1


async def test_a_result_without_the_call() -> None:
    """What a hook knows already is the result, and the tool is not run."""
    result = await run(
        before_pay(lambda _: Instead("paid before")), call("pay", cents=1), text(".")
    )
    [called] = result.tool_calls
    assert (called.result, called.is_error, PAID) == ("paid before", False, [])


async def test_results_are_changed_or_refused() -> None:
    """Clients and models read what the hook lets through."""

    @after_tool
    async def mask(asked: HookedCall, result: ToolResult, _context: RunContext) -> Any:
        if asked.arguments == {"cents": 2}:
            return Refuse("The result is secret.")
        return replace(result, output=result.output.replace("4711", "****"))

    result = await run(mask, calls(call("pay", cents=1), call("pay", cents=2)), text("Done."))
    masked, refused = result.tool_calls
    assert (masked.result, masked.is_error) == ("paid 1 to card ****", False)
    assert (refused.result, refused.is_error) == ("The result is secret.", True)
    assert "4711" not in "".join(event.model_dump_json() for event in result.events)
    assert PAID == [1, 2]
