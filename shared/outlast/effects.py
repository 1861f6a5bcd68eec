"""What a tool does to the world, and what its author can find out about a call in doubt."""

from dataclasses import dataclass
from typing import Any, Literal

Effect = Literal["read", "idempotent", "once"]
"""What may happen when a worker dies in the middle of a call. `read`: it may run again at any time.
`idempotent`: it runs again, with the same idempotency key. `once`: it never does; a call of which
nobody knows whether it happened is in doubt."""


@dataclass(frozen=True)
class Done:
    """The call did happen, with this result: what the tool would have returned."""

    result: Any


@dataclass(frozen=True)
class NotDone:
    """The call did not happen, and will not any more: it is run again."""


@dataclass(frozen=True)
class Unknown:
    """Nobody can tell: a person decides."""


Verdict = Done | NotDone | Unknown
