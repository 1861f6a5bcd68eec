"""Who is calling: a dependency of every route but health."""

from typing import Annotated

from fastapi import Depends, Request, Security
from fastapi.security import HTTPBearer

from app.parts import AppParts

# Only describes the scheme in the OpenAPI document: the keyring decides.
_bearer = HTTPBearer(auto_error=False, description="A key of `APP_KEYS`, if there are any.")


def _tenant(request: Request, _credentials: Annotated[object, Security(_bearer)]) -> str:
    return AppParts.of(request).keyring.tenant(request.headers.get("authorization"))


Tenant = Annotated[str, Depends(_tenant)]
