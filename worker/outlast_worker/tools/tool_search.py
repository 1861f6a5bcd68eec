"""Finds tools by what they are called and described as: BM25, as search engines rank pages.

https://en.wikipedia.org/wiki/Okapi_BM25
"""

import re
from collections import Counter
from collections.abc import Sequence
from math import log

from outlast.built_in import SEARCH_TOOLS
from outlast_worker.engine.offered import FoundTool, FoundTools
from outlast_worker.engine.records import PinnedTool

_MOST_FOUND = 5
_LEAST_OF_BEST = 0.4
"""What scores less than this part of the best one only shares common words with the query."""
_SATURATION, _LENGTH_COUNTS = 1.2, 0.75
_NAME_COUNTS = 2
_WORD = re.compile(r"[^\W_]+")
_INNER_CAPITAL = re.compile(r"(?<=[a-z0-9])(?=[A-Z])")
_SHOWN_CHARS = 200
_FOUND = "They can be called from now on."
_NOT_FOUND = (
    "No tool has these words in its name or description. Search for other words for the same "
    "thing, or for a part of it."
)


def pin_search(deferred: Sequence[PinnedTool]) -> PinnedTool:
    """Return the tool that finds these."""
    servers = dict.fromkeys(tool.server for tool in deferred if tool.server)
    of_servers = f", some of them of {', '.join(servers)}" if servers else ""
    return PinnedTool(
        name=SEARCH_TOOLS,
        description=(
            f"Find further tools: {len(deferred)} are not shown here{of_servers}. Search before "
            "you say that something can't be done. What is found can be called from then on."
        ),
        parameters={
            "type": "object",
            "properties": {
                "query": {
                    "type": "string",
                    "description": "What the tool has to do, in words that its name or its "
                    "description may have.",
                }
            },
            "required": ["query"],
            "additionalProperties": False,
        },
        kind="built_in",
    )


def search(query: str, tools: Sequence[PinnedTool]) -> str:
    """Return which deferred tools fit best, as the model reads it."""
    best = rank(query, [tool for tool in tools if tool.deferred])
    found = [FoundTool(name=t.name, description=_first_words(t.description)) for t in best]
    return FoundTools(tools=found, note=_FOUND if found else _NOT_FOUND).model_dump_json()


def rank(query: str, tools: Sequence[PinnedTool]) -> list[PinnedTool]:
    """Return the tools that fit a query best, the best one first."""
    texts = [Counter(_words(t.name) * _NAME_COUNTS + _words(t.description)) for t in tools]
    usual_length = sum(text.total() for text in texts) / max(len(texts), 1)
    rarity = {
        word: _rarity(sum(word in text for text in texts), len(texts)) for word in _words(query)
    }

    def score(text: Counter[str]) -> float:
        length = 1 - _LENGTH_COUNTS + _LENGTH_COUNTS * text.total() / usual_length
        return sum(
            rare * text[word] * (_SATURATION + 1) / (text[word] + _SATURATION * length)
            for word, rare in rarity.items()
        )

    scores = [score(text) for text in texts]
    least = max(scores, default=0) * _LEAST_OF_BEST
    fitting = [place for place, scored in enumerate(scores) if scored and scored >= least]
    fitting.sort(key=lambda place: -scores[place])
    return [tools[place] for place in fitting[:_MOST_FOUND]]


def _rarity(having: int, of: int) -> float:
    return log(1 + (of - having + 0.5) / (having + 0.5))


def _words(text: str) -> list[str]:
    """Return a text's words, those inside of names too, without an `s` at their end."""
    words = _WORD.findall(_INNER_CAPITAL.sub(" ", text).casefold())
    return [word[:-1] if len(word) > 3 and word.endswith("s") else word for word in words]


def _first_words(text: str) -> str:
    line = text.strip().partition("\n")[0]
    return line if len(line) <= _SHOWN_CHARS else f"{line[:_SHOWN_CHARS]}…"
