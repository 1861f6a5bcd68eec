"""Keys of some rights each, who try all that a protocol has."""

import json
from collections.abc import Callable, Mapping

import httpx

from fakes.api import Api
from fakes.stack import TestStack
from outlast_app.keyring import hash_of_key


def check_rights(
    stack: TestStack,
    allowed: Mapping[str, set[str]],
    try_all: Callable[[int, Api, Api], Mapping[str, httpx.Response]],
) -> None:
    """Have keys try all, and see that each may do what is allowed, and nothing else.

    Args:
        stack: Where.
        allowed: The names of calls by a key's rights, parted by blanks.
        try_all: Makes the calls: as which one of the keys, the owner of what is there, and the key.
    """
    keys = [
        {"name": f"k{place}", "sha256": hash_of_key(rights), "rights": rights.split()}
        for place, rights in enumerate(allowed)
    ]
    with stack.another_app({"APP_KEYS": json.dumps({"default": keys})}) as url:
        for place, rights in enumerate(allowed):
            with Api(stack.app_url) as owner, Api(url) as api:
                api.http.headers["authorization"] = f"Bearer {rights}"
                answers = try_all(place, owner, api)
            for name, answer in answers.items():
                wanted = {200, 204} if name in allowed[rights] else {403}
                assert answer.status_code in wanted, (rights, name, answer.text)
