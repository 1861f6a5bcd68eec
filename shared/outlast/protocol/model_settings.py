"""How a model is asked."""

import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Literal, Self

from pydantic import (
    ConfigDict,
    Field,
    JsonValue,
    ValidationError,
    field_validator,
)
from pydantic_core import ErrorDetails

from outlast.errors import DefinitionError
from outlast.protocol.wire import Public
from outlast.spelling import nearest

ReasoningEffort = Literal["none", "minimal", "low", "medium", "high", "xhigh", "max"]

_WORKERS_OWN = frozenset(
    {
        "api_base",
        "api_key",
        "base_url",
        "max_retries",
        "messages",
        "model",
        "num_retries",
        "request_timeout",
        "stream",
        "stream_options",
        "timeout",
        "tools",
    }
)
"""What the worker itself sets in a request."""
_CALLED_OTHERWISE = {
    "max_tokens": "max_output_tokens",
    "max_completion_tokens": "max_output_tokens",
    "stop_sequences": "stop",
    "random_seed": "seed",
}
_OTHERS = frozenset({"top_a", "top_k"})
"""What looks like a slip of `top_p`, and is a provider's own."""
_FREE_CHOICES = frozenset({"auto", "none", None})


class ModelSettings(Public):
    """How a model is asked; what is not given is left to its provider."""

    model_config = ConfigDict(strict=True)

    temperature: float | None = Field(default=None, ge=0, le=2)
    """How freely it chooses its words; 0 for the likeliest."""
    top_p: float | None = Field(default=None, gt=0, le=1)
    """Choose among the likeliest words only, which together have this probability."""
    max_output_tokens: int | None = Field(default=None, ge=1)
    """How long an answer may get, reasoning included; a longer one ends the run `incomplete`."""
    reasoning_effort: ReasoningEffort | None = None
    """How much it thinks before it answers."""
    tool_choice: str | None = Field(default=None, min_length=1)
    """`auto`, `none`, `required`, or the name of a tool. The last two hold for the first turn of a
    run only: else it would never end."""
    parallel_tool_calls: bool | None = None
    """Whether it may ask for several tool calls at once."""
    stop: list[str] | None = Field(default=None, min_length=1)
    """Texts before which an answer ends."""
    seed: int | None = None
    """Makes answers to equal requests more alike, where the provider knows how."""
    cache_prompt: bool | None = None
    """Whether a provider that has to be told is told to keep the prompt for the next call; it is
    unless this is false."""
    extra_headers: dict[str, str] | None = None
    """Further headers of its requests. Never secrets: those are in WORKER_PROVIDERS."""
    extra_body: dict[str, JsonValue] | None = None
    """What only its provider knows, as it stands in its requests."""

    if not TYPE_CHECKING:  # who knows the fields' own signature

        def __init__(self, **given: Any) -> None:
            """Take what is given, or say what to write instead.

            Raises:
                DefinitionError: It can't be used.
            """
            try:  # what is made here is an author's: a field that is not known is a slip
                self.__pydantic_validator__.validate_python(
                    given, self_instance=self, extra="forbid"
                )
            except ValidationError as error:
                raise DefinitionError(f"model settings: {_advice(error.errors()[0])}") from None

        # pydantic's mark of an `__init__` that it need not call for what it reads itself.
        __init__.__pydantic_base_init__ = True

    @property
    def names(self) -> frozenset[str]:
        """What is set, and what stands in `extra_body`."""
        extra = self.extra_body or {}
        others = {"extra_body", "extra_headers", "cache_prompt"}
        return frozenset({*self.model_dump(exclude_none=True, exclude=others), *extra})

    def override(self, others: Mapping[str, Any]) -> Self:
        """Return these settings with others in their place; one that is null changes nothing.

        Raises:
            DefinitionError: One of them can't be used.
        """
        given = {name: value for name, value in others.items() if value is not None}
        return type(self)(**{**self.model_dump(exclude_none=True), **given})

    def without(self, *names: str) -> Self:
        """Return the others of these settings."""
        return self.model_copy(update=dict.fromkeys(names))

    def in_turn(self, turn: int) -> Self:
        """Return what holds in a turn of a run: a model that has to call a tool never answers."""
        if turn == 1 or self.tool_choice in _FREE_CHOICES:
            return self
        return self.without("tool_choice")

    @field_validator("extra_body")
    @classmethod
    def _is_not_ours(cls, extra: dict[str, JsonValue] | None) -> dict[str, JsonValue] | None:
        json.dumps(extra, allow_nan=False)
        for name in extra or {}:
            if name in _WORKERS_OWN:
                raise ValueError(f"extra_body may not have {name!r}; the worker sets it")
            if name in cls.model_fields:
                raise ValueError(f"write {name}=… in place of extra_body={{{name!r}: …}}")
        return extra


def _advice(fault: ErrorDetails) -> str:
    name = str(fault["loc"][0])
    if fault["type"] == "value_error":
        return str(fault.get("ctx", {})["error"])
    if fault["type"] != "extra_forbidden":
        verdict = fault["msg"].replace("Input should be", "it must be")
        return f"{name} is {fault['input']!r}; {verdict}"
    slip = None if name in _OTHERS else nearest(name, ModelSettings.model_fields)
    if meant := _CALLED_OTHERWISE.get(name) or slip:
        return f"none is called {name!r}; did you mean {meant}=…?"
    if name in _WORKERS_OWN:
        return f"{name!r} is not yours to set; the worker does"
    return f'none is called {name!r}; if your provider takes it, write extra_body={{"{name}": …}}'
