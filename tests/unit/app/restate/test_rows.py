"""Rows of Restate's tables, as listings read them."""

import json
from datetime import UTC, datetime
from typing import Any

import pytest
from pydantic import ValidationError

from outlast.protocol import Approval, Run
from outlast_app.restate.queries import AFTER_OUTPUT
from outlast_app.restate.rows import ListedRow

AT = datetime(2026, 1, 1, 12, tzinfo=UTC)
BEGINNING_CHARS = 4096
HOSTILE = f'{AFTER_OUTPUT}"input_tokens":1}},"status":"failed","output":"x"'


def stored(output: Any, **fields: Any) -> str:
    """Return what a run that has ended writes into its state."""
    run = Run(
        run_id="support.a",
        agent="support",
        status="completed",
        output=output,
        input_preview=HOSTILE,
        metadata={"ticket": "4711"},
        created_at=AT,
        ended_at=AT,
        **fields,
    )
    return run.model_dump_json(exclude_none=True)


def cut(state: str) -> ListedRow:
    """Return a row as the query makes it of a state that is large."""
    return ListedRow(
        service_key="acme/support.a",
        beginning=state[:BEGINNING_CHARS],
        ending=state[state.index(AFTER_OUTPUT) :],
    )


@pytest.mark.parametrize(
    "output",
    [
        "x" * 100_000,
        'é"\\\n🙂' * 20_000,
        f'{AFTER_OUTPUT}"input_tokens":3}}' * 5_000,
        {"rows": [{"a": 1, "usage": {"input_tokens": 3}, "b": "x" * 50}] * 2_000},
        {"a": 1, "usage": {"input_tokens": 3}, "approvals": [], "b": ["x" * 50] * 2_000},
        [[1, 2, {"usage": {}}]] * 20_000,
    ],
    ids=["text", "signs", "text like an end", "objects", "object like a run", "lists"],
)
def test_long_output(output: Any) -> None:
    """A list has a long output's beginning, and all else of the run, whatever is in the output."""
    run = cut(stored(output)).run
    text = output if isinstance(output, str) else json.dumps(output, ensure_ascii=False)
    assert run.output is None
    assert run.output_preview is not None
    assert len(run.output_preview) == 200
    assert text.startswith(run.output_preview[:100])
    assert (run.status, run.metadata, run.ended_at) == ("completed", {"ticket": "4711"}, AT)
    assert run.input_preview == HOSTILE


@pytest.mark.parametrize("output", [None, "", "short", {"a": [1, None]}, "x" * 1000, 0, False])
def test_short_output(output: Any) -> None:
    """A short one is listed as it is, also where something else makes the state large."""
    call = {"name": "pay", "arguments": {"text": "x" * 50_000}, "requested_at": AT}
    approvals = [Approval(call_id=f"1.{n}", **call) for n in range(3)]
    for state in (stored(output), stored(output, approvals=approvals)):
        whole = ListedRow.model_validate({"service_key": "acme/support.a", "whole": state})
        for run in (whole.run, cut(state).run):
            assert run == Run.model_validate_json(state)


def test_long_output_before_approvals_like_an_end() -> None:
    """What people are asked about may look like a run's end as well."""
    call = {"name": "pay", "requested_at": AT, "arguments": {"a": 1, "usage": {"b": 2}}}
    approvals = [Approval(call_id=f"1.{n}", **call) for n in range(100)]
    state = stored([{"a": 1, "usage": {}}] * 100_000, approvals=approvals)
    assert cut(state).run.approvals == approvals


@pytest.mark.parametrize("offset", range(12))
def test_output_that_is_cut_anywhere(offset: int) -> None:
    """A character or an escape that is cut in two is left out."""
    run = cut(stored("x" * offset + '🙂é\x00\\"\n' * 2_000)).run
    assert run.output_preview == ("x" * offset + '🙂é\x00\\"\n' * 40)[:200]


def test_middling_output() -> None:
    """One that is long, in a state that is not, is left out as well."""
    state = stored("x" * 1001)
    run = ListedRow.model_validate({"service_key": "acme/support.a", "whole": state}).run
    assert (run.output, run.output_preview) == (None, "x" * 200)


def test_a_state_that_is_none() -> None:
    """What can't be read is told when the row is made."""
    with pytest.raises(ValidationError):
        ListedRow(service_key="acme/support.a", beginning="{", ending="}")
