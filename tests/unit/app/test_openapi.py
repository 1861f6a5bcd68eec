"""What the app says of itself."""

from typing import Any

from fakes.front import Client
from outlast.errors import problem_types


async def test_openapi_document(client: Client) -> None:
    """All problems are in one table; each call has its own, with the type they are sent with."""
    document = (await client.get("/openapi.json")).json()
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
                    assert ("Retry-After" in answer.get("headers", {})) == (status == "503")


async def test_openapi_document_of_streams(client: Client) -> None:
    """Streams are described with their events, and where they go on."""
    document = (await client.get("/openapi.json")).json()
    events = document["paths"]["/runs/{run_id}/events"]["get"]["responses"]
    start = document["paths"]["/agents/{agent}/runs"]["post"]["responses"]
    assert list(events["200"]["content"]) == ["text/event-stream"]
    assert "204" in events
    assert set(start["200"]["content"]) == {"application/json", "text/event-stream"}
    assert set(start["200"]["headers"]) == {"Location", "Content-Location", "Preference-Applied"}
    for answer in (events["200"], start["200"]):
        reference = answer["content"]["text/event-stream"]["schema"]["$ref"]
        schema = document["components"]["schemas"][reference.rpartition("/")[2]]
        assert "MessageDelta" in str(schema)
        assert "RunCompleted" in str(schema)
