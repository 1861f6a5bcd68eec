"""Plays the scenarios of a script, one after the other, and says how each went."""

import json
import sys
import traceback
import urllib.request
from collections.abc import Callable, Mapping
from typing import Any

Scenario = Callable[[str], None]


def play(scenarios: Mapping[str, Callable[..., Any]], make: Callable[[str], Any]) -> None:
    """Play each with a client of the app, and the key by which the model knows it."""
    url, keys = sys.argv[1], json.loads(sys.argv[2])
    for name, key in keys.items():
        said: dict[str, Any] = {"scenario": name, "ok": True}
        try:
            scenarios[name](make(url), key)
        except BaseException:  # noqa: BLE001  # whatever it is, the test shows it
            said |= {"ok": False, "error": traceback.format_exc()[-1500:]}
        print(json.dumps(said), flush=True)  # noqa: T201


class Native:
    """The app's own interface, for what a person does beside the client."""

    def __init__(self, url: str) -> None:
        self._url = url

    def get(self, path: str) -> Any:
        """Read."""
        return self._ask(urllib.request.Request(self._url + path))

    def post(self, path: str, body: Any) -> Any:
        """Do."""
        headers = {"content-type": "application/json"}
        data = json.dumps(body).encode()
        return self._ask(urllib.request.Request(self._url + path, data, headers))

    def _ask(self, request: urllib.request.Request) -> Any:
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        with opener.open(request, timeout=30) as answer:
            return json.loads(answer.read())
