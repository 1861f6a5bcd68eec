"""A client of the HTTP interface."""

import json
from collections.abc import Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, Self

import httpx

from fakes.events import parse_events
from fakes.waiting import DEADLINE_S, wait_until


class Api:
    """Calls the app, and waits on states with a deadline."""

    def __init__(self, base_url: str) -> None:
        self.http = httpx.Client(base_url=base_url, trust_env=False, timeout=60)
        self._pool = ThreadPoolExecutor(64)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_error: object) -> None:
        self.close()

    def close(self) -> None:
        self._pool.shutdown(wait=False, cancel_futures=True)
        self.http.close()

    def post(
        self, agent: str, text: str, headers: Mapping[str, str] | None = None, **body: Any
    ) -> httpx.Response:
        return self.http.post(
            f"/agents/{agent}/runs", json={"input": text, **body}, headers=dict(headers or {})
        )

    def run(self, agent: str, text: str, **body: Any) -> dict[str, Any]:
        answer = self.post(agent, text, **body)
        assert answer.status_code == 200, answer.text
        return answer.json()

    def start(
        self, agent: str, text: str, headers: Mapping[str, str] | None = None, **body: Any
    ) -> str:
        answer = self.post(agent, text, {"Prefer": "respond-async", **(headers or {})}, **body)
        assert answer.status_code == 202, answer.text
        return answer.json()["run_id"]

    def run_in_background(self, agent: str, text: str, **body: Any) -> Future[httpx.Response]:
        return self._pool.submit(self.post, agent, text, **body)

    def get(self, run_id: str) -> dict[str, Any]:
        answer = self.http.get(f"/runs/{run_id}")
        assert answer.status_code == 200, answer.text
        return answer.json()

    def result(self, run_id: str) -> dict[str, Any]:
        answer = self.http.get(f"/runs/{run_id}/result", headers={"Prefer": f"wait={DEADLINE_S}"})
        assert answer.status_code == 200, answer.text
        return answer.json()

    def cancel(self, run_id: str) -> httpx.Response:
        return self.http.post(f"/runs/{run_id}/cancel")

    def events(self, run_id: str, after: int = 0) -> list[dict[str, Any]]:
        """Read the stream to its end; return what is committed."""
        answer = self.http.get(f"/runs/{run_id}/events", params={"after": after})
        assert answer.status_code == 200, answer.text
        return [event for event in parse_events(answer.text.splitlines()) if "seq" in event]

    def decide(self, run_id: str, call_id: str, action: str, **body: Any) -> httpx.Response:
        path = f"/runs/{run_id}/approvals/{call_id}"
        return self.http.post(path, json={"action": action, **body})

    def answer(self, run_id: str, call_id: str, output: str, **body: Any) -> httpx.Response:
        path = f"/runs/{run_id}/results/{call_id}"
        return self.http.post(path, json={"output": output, **body})

    def wait_for_calls(self, run_id: str, count: int = 1) -> dict[str, Any]:
        """Wait until so many calls wait for a client, and return the run."""

        def asked() -> dict[str, Any] | None:
            run = self.get(run_id)
            waiting = [call for call in run["calls"] if call["answer"] is None]
            return run if len(waiting) == count else None

        return wait_until(asked, f"{run_id} to wait for {count} results")

    def steer(
        self, run_id: str, text: str, headers: Mapping[str, str] | None = None
    ) -> httpx.Response:
        return self.http.post(
            f"/runs/{run_id}/messages", json={"input": text}, headers=dict(headers or {})
        )

    def wait_for_approval(self, run_id: str, count: int = 1) -> dict[str, Any]:
        """Wait until so many calls wait for a person, and return the run."""

        def asked() -> dict[str, Any] | None:
            run = self.get(run_id)
            waiting = [a for a in run["approvals"] if a["resolution"] is None]
            return run if len(waiting) == count else None

        return wait_until(asked, f"{run_id} to ask for {count} approvals")

    def wait_for_event(self, run_id: str, **wanted: Any) -> dict[str, Any]:
        """Follow the stream until an event with these fields comes."""
        seen: list[dict[str, Any]] = []
        with self.http.stream("GET", f"/runs/{run_id}/events", timeout=DEADLINE_S) as stream:
            for line in stream.iter_lines():
                if line.startswith("data: "):
                    seen.append(json.loads(line.removeprefix("data: ")))
                    if wanted.items() <= seen[-1].items():
                        return seen[-1]
        raise AssertionError(f"the stream ended without {wanted}: {stream.status_code}, {seen}")

    def messages(self, thread_id: str) -> list[dict[str, Any]]:
        """Read a whole conversation, page by page."""
        found: list[dict[str, Any]] = []
        cursor: str | None = None
        while True:
            params = {"limit": "100", **({"cursor": cursor} if cursor else {})}
            page = self.http.get(f"/threads/{thread_id}/messages", params=params)
            assert page.status_code == 200, page.text
            found += page.json()["items"]
            cursor = page.json()["next_cursor"]
            if cursor is None:
                return found

    def wait_for_status(self, run_id: str, *statuses: str) -> dict[str, Any]:
        return wait_until(
            lambda: run if (run := self.get(run_id))["status"] in statuses else None,
            f"{run_id} to be {' or '.join(statuses)}",
        )
