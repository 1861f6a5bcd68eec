"""What agents there are."""

import pytest

from fakes.front import Client, Connect, problem
from outlast_app.keyring import hash_of_key
from outlast_app.rights import Right


async def test_agents(client: Client) -> None:
    """Agents are listed and described without Restate."""
    listed = (await client.get("/agents")).json()
    assert [item["name"] for item in listed["items"]] == ["support", "filled"]
    assert listed["next_cursor"] is None
    assert (await client.get("/agents/filled")).json() == listed["items"][1]
    assert listed["items"][1]["context"] == ["company", "city"]


async def test_pages_of_agents(client: Client) -> None:
    """Agents are listed in pages, as everything is."""
    first = (await client.get("/agents", params={"limit": 1})).json()
    assert [item["name"] for item in first["items"]] == ["support"]
    rest = (await client.get("/agents", params={"cursor": first["next_cursor"]})).json()
    assert ([item["name"] for item in rest["items"]], rest["next_cursor"]) == (["filled"], None)
    for wrong in ({"limit": 0}, {"cursor": "x"}):
        problem(await client.get("/agents", params=wrong), 422, "invalid-request")


@pytest.mark.parametrize("method", ["GET", "POST"])
async def test_unknown_agent(client: Client, method: str) -> None:
    """An agent that is not there is a 404 that names those that are."""
    path = "/agents/nobody" if method == "GET" else "/agents/nobody/runs"
    response = await client.request(method, path, json={"input": "Hi."})
    assert "support, filled" in problem(response, 404, "unknown-agent")["detail"]


@pytest.mark.parametrize("path", ["/agents", "/agents/filled"])
@pytest.mark.parametrize(
    ("rights", "shown"), [(["read"], False), (["read", "inspect"], True), (None, True)]
)
async def test_definitions(
    connect: Connect, path: str, rights: list[Right] | None, shown: bool
) -> None:
    """What the model is told is for those who may inspect; without keys that is everybody."""
    keys = [{"name": "desk", "sha256": hash_of_key("secret-1"), "rights": rights}]
    async with connect(keys={"acme": keys} if rights else {}) as client:
        answer = await client.get(path, headers={"authorization": "Bearer secret-1"})
    described = answer.json()["items"][-1] if path == "/agents" else answer.json()
    [tool] = described["tools"]
    definition = [described["instructions"], tool["description"], tool["parameters"]]
    if shown:
        assert definition[:2] == ["Help {{company}} in {{city}}.", "Hand over."]
        assert definition[2]["required"] == ["item"]
    else:
        assert definition == [None, None, None]
    # What a caller goes by is for everybody.
    assert (tool["name"], tool["needs_approval"]) == ("hand_over", True)
    assert (described["context"], described["model"]) == (["company", "city"], "openai/x")
