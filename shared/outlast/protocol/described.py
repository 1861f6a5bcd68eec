"""What fields are, as the text under each says it: for the schemas that clients read."""

import ast
import inspect
import sys
from collections.abc import Mapping
from functools import cache
from itertools import pairwise

from pydantic import BaseModel, GetJsonSchemaHandler
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema


class Described(BaseModel):
    """Has the text under each field as its description.

    It is read when a schema is asked for. Pydantic's own `use_attribute_docstrings` reads the
    source of each class when it is made, a sixth of the time in which a process starts.
    """

    @classmethod
    def __get_pydantic_json_schema__(
        cls, core_schema: CoreSchema, handler: GetJsonSchemaHandler, /
    ) -> JsonSchemaValue:
        reference = handler(core_schema)
        texts = _texts_under_fields(cls)
        fields = handler.resolve_ref_schema(reference).get("properties", {})
        for name, field in cls.model_fields.items():
            shown = fields.get(field.alias or name)
            if shown and name in texts:
                shown.setdefault("description", texts[name])
        return reference


def _texts_under_fields(model: type[BaseModel]) -> Mapping[str, str]:
    """Return the texts under the fields of a class, and under those that it has from its bases."""
    texts: dict[str, str] = {}
    for kind in reversed(model.__mro__):
        if issubclass(kind, Described):
            texts |= _texts_of_classes(kind.__module__).get(kind.__name__, {})
    return texts


@cache
def _texts_of_classes(module: str) -> Mapping[str, Mapping[str, str]]:
    """Return the texts under the fields of each class in a module."""
    try:
        source = inspect.getsource(sys.modules[module])
    except OSError:  # installed without it
        return {}
    classes = [node for node in ast.parse(source).body if isinstance(node, ast.ClassDef)]
    return {node.name: _texts_in(node) for node in classes}


def _texts_in(node: ast.ClassDef) -> Mapping[str, str]:
    texts: dict[str, str] = {}
    for field, text in pairwise(node.body):
        match field, text:
            case (
                ast.AnnAssign(target=ast.Name(id=name)),
                ast.Expr(value=ast.Constant(value=str(words))),
            ):
                texts[name] = inspect.cleandoc(words)
            case _:
                pass
    return texts
