"""What the app says of itself."""

import inspect
import json
import re
from collections.abc import Iterator
from typing import Any

import pytest

from fakes.front import Client
from outlast import protocol
from outlast.errors import problem_types
from outlast.events import Event, LiveEvent, MessageDelta, RunStarted, UnknownEvent

Document = dict[str, Any]


@pytest.fixture
async def document(client: Client) -> Document:
    return (await client.get("/openapi.json")).json()


def operations(document: Document) -> Iterator[tuple[str, Document]]:
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            yield f"{method.upper()} {path}", operation


async def test_problems(document: Document) -> None:
    """All problems are in one table; each call has its own, with the type they are sent with."""
    for kind in problem_types():
        assert f"| `{kind.slug}` | {kind.status} |" in document["info"]["description"]
    for path, methods in document["paths"].items():
        for operation in methods.values():
            answers: dict[str, Any] = operation["responses"]
            assert ("401" in answers) == (path not in ("/healthz", "/readyz"))
            for status, answer in answers.items():
                if int(status) >= 400:
                    [(media_type, content)] = answer["content"].items()
                    assert media_type == "application/problem+json"
                    assert content["schema"]["$ref"].endswith("/ProblemDocument")
                    passes = status in ("429", "503")
                    assert ("Retry-After" in answer.get("headers", {})) == passes


async def test_streams(document: Document) -> None:
    """Streams are described with their events, and where they go on."""
    events = document["paths"]["/runs/{run_id}/events"]["get"]["responses"]
    start = document["paths"]["/agents/{agent}/runs"]["post"]["responses"]
    assert list(events["200"]["content"]) == ["text/event-stream", "application/x-ndjson"]
    assert "204" in events
    assert set(start["200"]["content"]) == {"application/json", "text/event-stream"}
    assert set(start["200"]["headers"]) == {"Location", "Content-Location", "Preference-Applied"}
    for answer in (events["200"], start["200"]):
        reference = answer["content"]["text/event-stream"]["schema"]["$ref"]
        schema = document["components"]["schemas"][reference.rpartition("/")[2]]
        assert "MessageDelta" in str(schema)
        assert "RunCompleted" in str(schema)


async def test_name(document: Document) -> None:
    """The document says what this is, and of which version."""
    assert document["info"]["title"] == "Outlast"
    assert document["info"]["version"] != "0.1.0"  # which is what FastAPI says of its own


async def test_fields(document: Document) -> None:
    """Whoever reads the document knows what each object is, and each field of it."""
    schemas: Document = document["components"]["schemas"]
    assert {"Run", "StartRun", "Message", "MessageDelta", "ProblemDocument"} <= schemas.keys()
    bare = [name for name, schema in schemas.items() if not schema.get("description")]
    for name, schema in schemas.items():
        for field, described in schema.get("properties", {}).items():
            bare += [] if described.get("description") else [f"{name}.{field}"]
    assert bare == []


async def test_references(document: Document) -> None:
    """All that is referred to is there: bodies, too, which FastAPI does not read."""
    referred = set(re.findall(r'"#/components/schemas/([^"]+)"', json.dumps(document)))
    assert {"StartRun", "SteerRun", "Decision"} <= referred
    assert referred <= document["components"]["schemas"].keys()


async def test_events(document: Document) -> None:
    """Each kind of event is there, and says when it comes."""
    schemas = document["components"]["schemas"]
    kinds = [*Event.__subclasses__(), *LiveEvent.__subclasses__()]
    kinds.remove(UnknownEvent)  # which no version has to tell of
    assert RunStarted in kinds
    assert MessageDelta in kinds
    for kind in kinds:
        assert schemas[kind.__name__]["description"] == inspect.getdoc(kind)


async def test_parameters(document: Document) -> None:
    """Each name in a path is a parameter, and each parameter says what it is."""
    for name, operation in operations(document):
        parameters: list[Document] = operation.get("parameters", [])
        in_path = {part[1:-1] for part in name.split("/") if part.startswith("{")}
        assert {p["name"] for p in parameters if p["in"] == "path"} == in_path
        bare = [p["name"] for p in parameters if not p.get("description")]
        assert bare == [], name


async def test_calls_and_answers(document: Document) -> None:
    """Each call, each answer and each of its headers says what it is."""
    tags = {tag["name"] for tag in document["tags"] if tag["description"]}
    for name, operation in operations(document):
        assert operation["description"], name
        assert set(operation["tags"]) <= tags
        for status, answer in operation["responses"].items():
            assert answer["description"] not in ("", "Successful Response"), (name, status)
            for header, described in answer.get("headers", {}).items():
                assert described["description"], (name, status, header)


@pytest.mark.parametrize("body", ["StartRun", "SteerRun", "Decision"])
async def test_examples(document: Document, body: str) -> None:
    """The examples of a body are valid."""
    examples = document["components"]["schemas"][body]["examples"]
    assert examples
    for example in examples:
        assert getattr(protocol, body).model_validate(example)
