"""The documentation of the API as a page: the OpenAPI document, with an example for curl of each operation."""

from __future__ import annotations

import functools
from collections.abc import Iterator
from typing import Any, Final

import msgspec
from jinja2 import Environment, PackageLoader, StrictUndefined, select_autoescape

from dispatcher.i18n import N_, _
from producers.api.problems import KINDS

GROUPS: Final = {
    "campaigns": N_("campaigns"),
    "streams": N_("streams"),
    "verifications": N_("verifications"),
    "accounts": N_("accounts"),
    "unknowns": N_("unknown requests"),
    "numbers": N_("numbers"),
    "reports": N_("reports"),
    "api": N_("the API itself"),
}
"""What the groups of operations are called on the page."""
EXAMPLES: Final[dict[str, Any]] = {"id": "may-sale", "account": "spring", "kind": "conflict", "stream": "codes"}
DEPTH_MAX: Final = 4


@functools.cache
def _environment() -> Environment:
    environment = Environment(
        loader=PackageLoader("producers.api"),
        autoescape=select_autoescape(default=True),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.globals["_"] = _
    return environment


def render(document: dict[str, Any], language: str) -> str:
    """The page."""
    schemas: dict[str, Any] = document["components"]["schemas"]
    groups: dict[str, list[dict[str, Any]]] = {}
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            groups.setdefault(operation["tags"][0], []).append(_shown(path, method, operation, schemas))
    return (
        _environment()
        .get_template("docs.html")
        .render(
            groups={_(GROUPS[name]): operations for name, operations in groups.items()},
            problems=KINDS,
            language=language,
            version=document["info"]["version"],
        )
    )


def _shown(path: str, method: str, operation: dict[str, Any], schemas: dict[str, Any]) -> dict[str, Any]:
    [answer, *_] = operation["responses"].values()
    [(media, answered)] = answer["content"].items()
    return {
        "id": operation["operationId"],
        "method": method.upper(),
        "path": path,
        "summary": operation["summary"],
        "description": operation.get("description", ""),
        "parameters": [each for each in operation["parameters"] if each["in"] != "path"],
        "curl": _curl(path, method.upper(), operation, schemas),
        "body": list(_fields(_body_schema(operation), schemas)),
        "answer": list(_fields(answered["schema"], schemas)),
        "media": media,
        "problems": {status: each["description"] for status, each in operation["responses"].items() if status >= "4"},
    }


def _body_schema(operation: dict[str, Any]) -> dict[str, Any]:
    content = operation.get("requestBody", {}).get("content", {})
    found: dict[str, Any] = content.get("application/json", {}).get("schema", {})
    return found


def _curl(path: str, method: str, operation: dict[str, Any], schemas: dict[str, Any]) -> str:
    for name, value in EXAMPLES.items():
        path = path.replace(f"{{{name}}}", value)
    needed = [each for each in operation["parameters"] if each["in"] == "query" and each["required"]]
    query = "&".join(f"{each['name']}={_example(each['schema'], schemas)}" for each in needed)
    lines = [
        f'curl -X {method} "$DISPATCHER{path}{f"?{query}" if query else ""}"',
        '  -H "Authorization: Bearer $TOKEN"',
    ]
    content = operation.get("requestBody", {}).get("content", {})
    if "application/json" in content:
        example = msgspec.json.encode(_example(_body_schema(operation), schemas)).decode()
        lines += ['  -H "Content-Type: application/json"', f"  -d '{example}'"]
    elif method == "PATCH":
        lines += [f'  -H "Content-Type: {next(iter(content))}"', '  -H "Upload-Offset: 1048576"']
        lines += ["  --data-binary @rest-of-list.csv"]
    elif content:
        lines += ['  -H "Content-Type: text/csv"', "  --data-binary @list.csv"]
    return " \\\n".join(lines)


def _example(schema: dict[str, Any], schemas: dict[str, Any], name: str = "") -> Any:
    """A value of this schema: what is required, and no more."""
    schema = _of(schema, schemas)
    if "enum" in schema:
        return schema["enum"][0]
    if "anyOf" in schema:
        return _example(schema["anyOf"][0], schemas, name)
    match schema.get("type"):
        case "object":
            needed = schema.get("required", [])
            return {each: _example(schema["properties"][each], schemas, each) for each in needed}
        case "array":
            return [_example(schema["items"], schemas, name)]
        case "integer":
            return 1_800_000_000_000 if name.endswith("_ms") else max(int(schema.get("minimum", 1)), 1)
        case "boolean":
            return True
        case "null":
            return None
    return _WORDS.get(name, "…")


_WORDS: Final = {
    "text": "【Shop】Sale from 8 to 10",
    "route": "spring",
    "to": "13800138000",
    "numbers": "13800138000",
    "number": "13800138000",
    "why": "asked by phone",
    "budget": "800",
    "key": "order-77",
    "code": "123456",
    "stream": "codes",
    "id": "codes",
}


def _of(schema: dict[str, Any] | bool, schemas: dict[str, Any]) -> dict[str, Any]:
    """The schema that this refers to; true and false (any value, none) say nothing to a reader."""
    if isinstance(schema, bool):
        return {}
    found: dict[str, Any] = schemas[schema["$ref"].rpartition("/")[2]] if "$ref" in schema else schema
    return found


def _fields(
    schema: dict[str, Any], schemas: dict[str, Any], before: str = "", depth: int = 0
) -> Iterator[dict[str, Any]]:
    """The fields of a schema, also those of objects in it, with their names from the outside in."""
    schema = _of(schema, schemas)
    if schema.get("type") == "array" and depth < DEPTH_MAX:
        yield from _fields(schema["items"], schemas, f"{before}[].".replace(".[]", "[]"), depth + 1)
    for name, each in schema.get("properties", {}).items():
        yield {
            "name": f"{before}{name}",
            "type": _type(each, schemas),
            "required": name in schema.get("required", []),
            "default": each.get("default"),
        }
        if depth < DEPTH_MAX and "anyOf" not in each:
            yield from _fields(each, schemas, f"{before}{name}.", depth + 1)


def _type(schema: dict[str, Any], schemas: dict[str, Any]) -> str:
    schema = _of(schema, schemas)
    if "enum" in schema:
        return " | ".join(str(each) for each in schema["enum"])
    if "anyOf" in schema:
        return " | ".join(dict.fromkeys(_type(each, schemas) for each in schema["anyOf"]))
    if schema.get("type") == "array":
        return f"[{_type(schema.get('items', {}), schemas)}]"
    return str(schema.get("type", "any"))
