"""What operators say that models cost: the setting `MODEL_PRICES`."""

from typing import Annotated

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

Price = Annotated[float, Field(ge=0, allow_inf_nan=False)]


class ModelPrice(BaseModel):
    """US dollars for a million tokens.

    Those that are read from a cache, or written into it, cost as much as others unless they are
    given.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    input: Price
    output: Price
    cached: Price | None = None
    written: Price | None = None


def _model_name(name: str) -> str:
    provider, _, model = name.partition("/")
    if not (provider and model):
        raise ValueError("must name provider/model, or all models of one as provider/*")
    return name


PricedModel = Annotated[str, AfterValidator(_model_name)]
"""A model as agents name it; `provider/*` stands for those of a provider that are not named."""

EXAMPLE = '{"hosted_vllm/qwen3": {"input": 0.2, "cached": 0.02, "output": 0.6}}'
