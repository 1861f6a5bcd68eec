"""Tells what of a tool's parameters Google's models are not told of.

litellm 1.106 turns JSON Schema into Google's dialect, and drops what that did not have: seen on
what it sends. The tool still refuses wrong arguments; the model has to guess more often.
"""

from collections.abc import Iterator, Mapping
from typing import Any, cast

GOOGLE = frozenset({"gemini", "vertex_ai", "vertex_ai_beta"})


def lost_for_google(parameters: Mapping[str, Any]) -> list[str]:
    """Return what is lost of a tool's parameters, each with where it stands."""
    definitions = cast("dict[str, Any]", parameters.get("$defs") or {})
    return list(dict.fromkeys(_lost(parameters, "", definitions, ())))


def _lost(
    schema: Mapping[str, Any], path: str, definitions: Mapping[str, Any], inside: tuple[str, ...]
) -> Iterator[str]:
    if reference := schema.get("$ref"):
        name = str(reference).rpartition("/")[2]
        if name in inside:
            yield f"that {path} is a {name} again"
        elif name in definitions:
            yield from _lost(definitions[name], path, definitions, (*inside, name))
        return
    if isinstance(schema.get("additionalProperties"), dict):
        yield f"what the values of {path or 'the arguments'} are"
    if "const" in schema or any(isinstance(each, int) for each in schema.get("enum", ())):
        yield f"which values {path} may have"
    if "prefixItems" in schema:
        yield f"what the items of {path} are"
    for name, inner in cast("dict[str, Any]", schema.get("properties") or {}).items():
        yield from _lost(inner, f"{path}.{name}".lstrip("."), definitions, inside)
    parts = [schema.get("items"), *schema.get("anyOf", ()), *schema.get("oneOf", ())]
    for part in parts:
        if isinstance(part, dict):
            yield from _lost(cast("dict[str, Any]", part), path, definitions, inside)
