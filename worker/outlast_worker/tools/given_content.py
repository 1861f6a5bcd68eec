"""Checks what a person answers to what an MCP server asks, before the server gets it."""

from collections.abc import Iterator, Mapping
from typing import cast

from pydantic import JsonValue

from outlast.json_schema import faults_of
from outlast.protocol import Approval, Decision


def faults_of_content(approval: Approval, decision: Decision) -> list[str]:
    """Return what is wrong with an answer, in words for whoever gave it."""
    content = decision.content
    if not isinstance(content, dict):
        return ["an object is asked for, with a value for each field"]
    if approval.url is not None:
        return ["what is asked for happens at the url; answer {}"] if content else []
    return faults_of(approval.content_schema or {}, content) or list(_strange_values(content))


def _strange_values(content: Mapping[str, JsonValue]) -> Iterator[str]:
    """Find what the protocol has no place for, whatever a schema says."""
    for name, value in content.items():
        texts = cast("list[JsonValue]", value) if isinstance(value, list) else []
        if isinstance(value, dict) or not all(isinstance(text, str) for text in texts):
            yield f"{name}: a text, a number, true, false or a list of texts can be passed on"
