"""How prompts stay within a model's window: what an agent says of it."""

from typing import Any, Literal, get_args

from outlast.errors import DefinitionError

Compaction = Literal["summary", "window"]
COMPACT_AT = 0.7
"""The part of a model's window at which a prompt is made shorter, unless an agent says another."""
_LEAST_TOKENS = 100


def check_compaction(compaction: Any, compact_at: float, context_window: int | None) -> None:
    """Refuse what can't work.

    Raises:
        DefinitionError: With what to write.
    """
    kinds = get_args(Compaction)
    if compaction not in (None, *kinds):
        raise DefinitionError(
            f'compaction is {compaction!r}; it must be "summary", "window", or None to turn it off'
        )
    if not 0 < compact_at < 1:
        raise DefinitionError(
            f"compact_at is {compact_at!r}; it must be a part of the model's window, such as 0.7"
        )
    if context_window is not None and context_window < _LEAST_TOKENS:
        raise DefinitionError(
            f"context_window is {context_window!r}; it must be in tokens, such as 128_000"
        )
