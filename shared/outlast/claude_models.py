"""What Anthropic's models differ in, by their names.

Read on 2026-11-28: Anthropic's guides on thinking, effort and structured outputs, its notes on what
is new in each model, and the list that litellm 1.106.2 carries. A model that is newer than all of
these is taken for one like the newest.
"""

import re
from dataclasses import dataclass

_NEW_NAME = re.compile(r"claude-([a-z]+)-(\d{1,2})(?:[-.](\d{1,2}))?(?!\d)")
_OLD_NAME = re.compile(r"claude-(\d{1,2})(?:[-.](\d{1,2}))?-([a-z]+)")
_PREVIEW = re.compile(r"claude-(mythos)-preview")
# They think whatever they are told.
_LARGEST = frozenset({"fable", "mythos"})


@dataclass(frozen=True)
class Claude:
    """One of Anthropic's models.

    Attributes:
        family: `opus`, `sonnet`, `haiku`, …
        version: Major and minor.
    """

    family: str
    version: tuple[int, int]

    @property
    def can_think(self) -> bool:
        """Whether it can be told to think."""
        return self.version >= (3, 7)

    @property
    def adapts(self) -> bool:
        """Whether it finds out itself how much to think, and is told an effort, not a budget."""
        return self.version >= (4, 6)

    @property
    def thinks_untold(self) -> bool:
        """Whether it thinks unless it is told not to."""
        return self.version >= (5, 0)

    @property
    def always_thinks(self) -> bool:
        """Whether it refuses not to think."""
        return self.family in _LARGEST or (self.version >= (5, 5) and self.family != "haiku")

    @property
    def can_be_made_to_call(self) -> bool:
        """Whether it takes a `tool_choice` that leaves it no choice."""
        newest = (5, 1) if self.family in _LARGEST else (5, 5)
        return self.version < newest or self.family == "haiku"

    @property
    def samples(self) -> bool:
        """Whether it takes `temperature` and `top_p`."""
        return self.version < (4, 7)

    @property
    def samples_one_way(self) -> bool:
        """Whether it takes only one of the two."""
        return self.version >= (4, 1)

    @property
    def efforts(self) -> tuple[str, ...]:
        """The efforts that it knows."""
        extra = ("xhigh",) if self.version >= (4, 7) else ()
        return ("low", "medium", "high", *extra, "max")

    @property
    def takes_schema(self) -> bool:
        """Whether its answers are held to a JSON Schema."""
        return self.version >= (4, 5)


def claude_of(name: str) -> Claude | None:
    """Return the model of a name, with or without its provider; None if it is another's."""
    if match := _OLD_NAME.search(name):
        return Claude(match[3], (int(match[1]), int(match[2] or 0)))
    if match := _NEW_NAME.search(name):
        return Claude(match[1], (int(match[2]), int(match[3] or 0)))
    if match := _PREVIEW.search(name):
        return Claude(match[1], (5, 0))
    return None
