"""What a model is, by whatever name providers and gateways give it."""

import pytest

from outlast.claude_models import claude_of


@pytest.mark.parametrize(
    ("name", "family", "version"),
    [
        ("claude-3-haiku-20240307", "haiku", (3, 0)),
        ("claude-3-7-sonnet-latest", "sonnet", (3, 7)),
        ("claude-opus-4-20250514", "opus", (4, 0)),
        ("claude-opus-4-1-20250805", "opus", (4, 1)),
        ("anthropic/claude-sonnet-4.5", "sonnet", (4, 5)),
        ("us.anthropic.claude-sonnet-4-5-20250929-v1:0", "sonnet", (4, 5)),
        ("claude-opus-4-5@20251101", "opus", (4, 5)),
        ("claude-sonnet-5", "sonnet", (5, 0)),
        ("claude-mythos-preview", "mythos", (5, 0)),
        ("claude-opus-12-1", "opus", (12, 1)),
    ],
)
def test_names(name: str, family: str, version: tuple[int, int]) -> None:
    """Family and version are told from old names and new ones, dates are not."""
    claude = claude_of(name)
    assert claude is not None
    assert (claude.family, claude.version) == (family, version)


def test_others() -> None:
    """Models of others are no Claude."""
    assert [claude_of(name) for name in ("glm-5", "deepseek-chat", "claude")] == [None] * 3


@pytest.mark.parametrize(
    ("name", "always", "untold"),
    [
        ("claude-opus-4-8", False, False),
        ("claude-opus-5", False, True),
        ("claude-haiku-5-5", False, True),
        ("claude-sonnet-5-5", True, True),
        ("claude-fable-5", True, True),
    ],
)
def test_thinking(name: str, always: bool, untold: bool) -> None:
    """Later ones think unless they are told not to, and some whatever they are told."""
    claude = claude_of(name)
    assert claude is not None
    assert (claude.always_thinks, claude.thinks_untold) == (always, untold)


def test_efforts() -> None:
    """Each knows those of its time."""
    efforts = {name: claude_of(name) for name in ("claude-opus-4-6", "claude-opus-4-7")}
    known = [len(claude.efforts) for claude in efforts.values() if claude]
    assert known == [4, 5]
