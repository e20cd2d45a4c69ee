"""The OpenAPI 3.1 document of the table, the page that shows it, and the kinds of problems.

Schemas are those of the structs that decode and encode, so the document cannot differ from what the API does.
"""

from __future__ import annotations

import functools
import re
from http import HTTPStatus
from importlib.metadata import version
from importlib.resources import files
from typing import Any, Final

import msgspec

from dispatcher.i18n import N_, _, current_language, language_is
from producers.api.operation import ANYBODY_SIGNED_IN, JSON, Answered, Call, Operation
from producers.api.problems import KINDS, PROBLEM_JSON, TYPES, Problem, ProblemBody, kind_document

REF: Final = "#/components/schemas/{name}"
ALWAYS: Final = ("not-signed-in", "not-allowed", "invalid", "broken", "too-fast", "failed", "unavailable", "uncertain")
WITH_BODY: Final = ("too-large", "wrong-media")
CSP: Final = "default-src 'none'; style-src 'self'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'"
SAFE: Final = {"Content-Security-Policy": CSP, "X-Content-Type-Options": "nosniff"}
_PARAMETER: Final = re.compile(r"\{(\w+)\}")


class ProblemKind(msgspec.Struct, frozen=True):
    """A kind of problem; its type is this path."""

    type: str
    title: str
    status: int
    what_to_do: str


async def openapi(call: Call) -> Answered:
    return Answered(body=document_bytes(current_language()))


async def problem(call: Call) -> Any:
    found = kind_document(call.values["kind"])
    if found is None:
        raise Problem("not-found", N_("There is no such kind of problem."))
    return found


async def page(call: Call) -> Answered:
    from producers.api.docs_page import render  # a process that shows no page needs no templates

    return Answered(
        body=render(document(current_language()), current_language()).encode(),
        content_type="text/html; charset=utf-8",
        headers=SAFE,
    )


async def style(call: Call) -> Answered:
    css = files("producers.api").joinpath("templates/docs.css").read_bytes()
    return Answered(body=css, content_type="text/css; charset=utf-8", headers=SAFE)


@functools.cache
def document_bytes(language: str) -> bytes:
    """The document as JSON."""
    return msgspec.json.encode(document(language))


@functools.cache
def document(language: str) -> dict[str, Any]:
    """The document, its summaries in this language."""
    with language_is(language):
        return _document()


def _document() -> dict[str, Any]:
    from producers.api.routes import OPERATIONS

    structs = [each for operation in OPERATIONS for each in (operation.query, operation.body, operation.answer) if each]
    schemas, components = msgspec.json.schema_components([*structs, ProblemBody], ref_template=REF)
    schema_of = {str(struct): schema for struct, schema in zip([*structs, ProblemBody], schemas, strict=True)}
    paths: dict[str, dict[str, Any]] = {}
    for operation in OPERATIONS:
        paths.setdefault(operation.path, {})[operation.method.lower()] = _operation(operation, schema_of, components)
    return {
        "openapi": "3.1.0",
        "info": {"title": "dispatcher", "version": version("sms-dispatcher")},
        "servers": [{"url": "/"}],
        "security": [{"token": []}],
        "paths": paths,
        "components": {
            "schemas": components,
            "securitySchemes": {"token": {"type": "http", "scheme": "bearer"}},
        },
    }


def _operation(operation: Operation, schema_of: dict[str, Any], components: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = {
        "operationId": operation.id,
        "summary": _(operation.summary),
        "tags": [operation.group],
        "parameters": _parameters(operation, schema_of, components),
        "responses": _responses(operation, schema_of),
    }
    if operation.permission != ANYBODY_SIGNED_IN:
        found["description"] = _("Permission: `{permission}`.").format(permission=operation.permission)
    if operation.body is not None:
        schema = schema_of[str(operation.body)]
        found["requestBody"] = {"required": True, "content": {JSON: {"schema": schema}}}
    elif operation.body_media != (JSON,):
        binary = {"schema": {"type": "string", "format": "binary"}}
        found["requestBody"] = {"required": False, "content": dict.fromkeys(operation.body_media, binary)}
    return found


def _parameters(operation: Operation, schema_of: dict[str, Any], components: dict[str, Any]) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = [
        {"name": name, "in": "path", "required": True, "schema": {"type": "string", "minLength": 1}}
        for name in _PARAMETER.findall(operation.path)
    ]
    query = components[schema_of[str(operation.query)]["$ref"].rpartition("/")[2]]
    required = query.get("required", ())
    for name, schema in query.get("properties", {}).items():
        found.append({"name": name, "in": "query", "required": name in required, "schema": schema})
    if operation.repeatable or operation.keyed:
        limits = {"type": "string", "minLength": 1, "maxLength": 255}
        found.append({"name": "Idempotency-Key", "in": "header", "required": False, "schema": limits})
    for each in operation.headers:
        described = {"description": _(each.says), "schema": each.schema}
        found.append({"name": each.name, "in": "header", "required": False, **described})
    return found


def _responses(operation: Operation, schema_of: dict[str, Any]) -> dict[str, Any]:
    answer: dict[str, Any] = {
        "description": HTTPStatus(operation.status).phrase,
        "content": {operation.media: {"schema": schema_of[str(operation.answer)]}},
    }
    if operation.answer_headers:
        answer["headers"] = {
            each.name: {"description": _(each.says), "schema": each.schema} for each in operation.answer_headers
        }
    found: dict[str, Any] = {str(operation.status): answer}
    if operation.path in ("/v1/campaigns/{id}", "/v1/streams/{stream}") and operation.method == "PUT":
        found["201"] = answer
    takes_body = operation.body is not None or operation.body_media != (JSON,)
    kinds: dict[int, list[str]] = {}
    for name in dict.fromkeys((*ALWAYS, *(WITH_BODY if takes_body else ()), *operation.problems)):
        kinds.setdefault(KINDS[name].status, []).append(name)
    if operation.repeatable:
        kinds.setdefault(409, []).append("under-way")
    for status, names in sorted(kinds.items()):
        types = ", ".join(f"`{TYPES}{name}`" for name in names)
        found[str(status)] = {
            "description": types,
            "content": {PROBLEM_JSON: {"schema": schema_of[str(ProblemBody)]}},
        }
    return found
