"""The YAML at the beginning of a Markdown file: names and texts, each with its line."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from outlast.errors import DefinitionError

_FENCE = "---"
_BEGINS = (
    f"it begins with a line {_FENCE}, then `name: …` and `description: …`, then a line {_FENCE}"
)


class FrontMatter:
    """What a file says of itself. What nobody asks for is ignored.

    Values are taken as they are written: `1.0` is a text, too.
    """

    def __init__(self, path: Path, nodes: Mapping[str, Any]) -> None:
        self._path = path
        self._nodes = nodes

    def text(
        self,
        name: str,
        most_chars: int | None = None,
        *,
        is_needed: bool = False,
    ) -> str | None:
        """Return a text on one line; None if there is none.

        Raises:
            DefinitionError: It is no text, too long, or missing.
        """
        node = self._nodes.get(name)
        text = "" if node is None else " ".join(self._scalar(name, node).split())
        if not text:
            if is_needed:
                raise self.fault(name, f"it is missing; add a line `{name}: …`")
            return None
        if most_chars is not None and len(text) > most_chars:
            raise self.fault(name, f"it has {len(text)} characters; {most_chars} are the most")
        return text

    def words(self, name: str) -> Sequence[str]:
        """Return a list: one of YAML, or words on a line.

        Raises:
            DefinitionError: It is neither.
        """
        node = self._nodes.get(name)
        if node is None:
            return ()
        if node.id == "sequence":
            return tuple(self._scalar(name, each) for each in node.value)
        return tuple(self._scalar(name, node).split())

    def pairs(self, name: str) -> Mapping[str, str]:
        """Return names and texts.

        Raises:
            DefinitionError: It is something else.
        """
        node = self._nodes.get(name)
        if node is None or _is_empty(node):
            return {}
        if node.id != "mapping":
            raise self.fault(name, "it is no list of `name: text`, each on a line, indented")
        return {self._scalar(name, key): self._scalar(name, value) for key, value in node.value}

    def fault(self, name: str, why: str) -> DefinitionError:
        """Return the error of a field, with its line."""
        node = self._nodes.get(name)
        line = 1 if node is None else _line_of(node.start_mark)
        return DefinitionError(f"{self._path}, line {line}: {name}: {why}")

    def _scalar(self, name: str, node: Any) -> str:
        if node.id != "scalar":
            raise self.fault(
                name, "it is no text; put it in quotes if it looks like something else"
            )
        return node.value


def split_front_matter(path: Path, text: str) -> tuple[FrontMatter, str]:
    """Return what a file says of itself, and what comes after that.

    Raises:
        DefinitionError: With the line, and how to mend it.
    """
    first, *others = text.split("\n")
    if first.rstrip() != _FENCE:
        raise DefinitionError(f"{path}, line 1: {_BEGINS}")
    end = next((at for at, line in enumerate(others) if line.rstrip() == _FENCE), None)
    if end is None:
        raise DefinitionError(f"{path}, line 1: what begins here does not end: {_BEGINS}")
    nodes = _parse(path, "\n".join(others[:end]))
    return FrontMatter(path, nodes), "\n".join(others[end + 1 :])


def _parse(path: Path, front: str) -> Mapping[str, Any]:
    import yaml  # noqa: PLC0415  # most agents have no skills

    try:
        # Nodes, not values: they know their lines, and no text becomes a date or a number.
        untyped: Any = yaml
        root: Any = untyped.compose(front, Loader=yaml.SafeLoader)
    except yaml.MarkedYAMLError as error:
        line = _line_of(error.problem_mark) if error.problem_mark else 1
        raise DefinitionError(
            f"{path}, line {line}: {error.problem}; put texts that have a colon in quotes"
        ) from error
    except yaml.YAMLError as error:
        raise DefinitionError(f"{path}, line 1: the front matter is no YAML: {error}") from error
    if root is None or root.id != "mapping":
        raise DefinitionError(f"{path}, line 1: {_BEGINS}")
    return {key.value: value for key, value in root.value if key.id == "scalar"}


def _line_of(mark: Any) -> int:
    return mark.line + 2  # it counts from 0, and the first line is the fence


def _is_empty(node: Any) -> bool:
    return node.id == "scalar" and not node.value
