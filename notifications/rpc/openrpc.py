"""The OpenRPC document (open-rpc.org, version 1.3.2), made from the registered methods, and its chapters for people."""

import json
from functools import lru_cache
from typing import Any

from pydantic import TypeAdapter

import notifications.rpc.methods  # noqa: F401  registers them
from notifications import __version__
from notifications.conf import conf
from notifications.rpc.errors import MESSAGES, Code
from notifications.rpc.registry import METHODS, Method

# What any call can meet, whatever its method.
COMMON = (
    Code.PARSE_ERROR,
    Code.INVALID_REQUEST,
    Code.METHOD_NOT_FOUND,
    Code.INVALID_PARAMS,
    Code.INTERNAL_ERROR,
    Code.UNAUTHENTICATED,
    Code.MISSING_SCOPE,
    Code.TOO_LARGE,
    Code.RATE_LIMITED,
    Code.UNAVAILABLE,
)

# What most callers come for stands first.
NAMESPACES = ("notifications", "announcements", "inbox", "connections", "service")


def document(address: str) -> dict[str, Any]:
    """The OpenRPC document of the service at `address`."""
    return {
        "openrpc": "1.3.2",
        "info": {
            "title": "Notifications",
            "version": __version__,
            "description": (
                "Sends notifications to users of the platform, the moment something happens. Authenticate with "
                "`Authorization: Bearer <service key>`; each method names the scope that the key must have."
            ),
        },
        "servers": [{"name": "this service", "url": address}],
        "methods": [_method(method) for method in _ordered()],
        "components": {
            "errors": {code.name: _error(code) for code in Code},
            "schemas": {name: schema for method in METHODS.values() for name, schema in _result(method)[1].items()},
        },
    }


def chapters(address: str) -> list[dict[str, Any]]:
    """The methods as the page shows them: with rows of parameters, and examples in curl, Python and JavaScript."""
    return [_chapter(method, address) for method in _ordered()]


def _ordered() -> list[Method]:
    return sorted(METHODS.values(), key=lambda method: NAMESPACES.index(method.name.partition(".")[0]))


@lru_cache(maxsize=64)
def _method(method: Method) -> dict[str, Any]:
    return {
        "name": method.name,
        "summary": method.summary,
        "description": method.description,
        "paramStructure": "either",
        "params": _params(method),
        "result": {"name": "result", "schema": _result(method)[0]},
        "errors": [{"$ref": f"#/components/errors/{code.name}"} for code in (*COMMON, *method.errors)],
        "examples": [
            {
                "name": method.name,
                "params": [{"name": name, "value": value} for name, value in method.example.items()],
                "result": {"name": "result", "value": method.result},
            }
        ],
        "x-scope": method.scope.value if method.scope is not None else None,
        "x-writes": method.writes,
    }


def _result(method: Method) -> tuple[dict[str, Any], dict[str, Any]]:
    """The schema of the result, and those of the components that it refers to."""
    schema = TypeAdapter(method.returns).json_schema(mode="serialization", ref_template="#/components/schemas/{model}")
    return schema, schema.pop("$defs", {})


def _params(method: Method) -> list[dict[str, Any]]:
    schema = method.params.model_json_schema()
    required = schema.get("required", [])
    described = []
    for name, given in schema.get("properties", {}).items():
        fitting = {key: value for key, value in given.items() if key not in ("title", "description")}
        described.append(
            {
                "name": name,
                "description": given.get("description", ""),
                "required": name in required,
                "schema": fitting,
            }
        )
    return described


def _error(code: Code) -> dict[str, Any]:
    return {"code": int(code), "message": MESSAGES[code]}


def _chapter(method: Method, address: str) -> dict[str, Any]:
    body = {"jsonrpc": "2.0", "id": 1, "method": method.name, "params": method.example}
    return {
        "name": method.name,
        "anchor": method.name.replace(".", "-"),
        "summary": _prose(method.summary),
        "description": [_prose(paragraph) for paragraph in method.description.split("\n\n") if paragraph],
        "scope": method.scope.value if method.scope is not None else None,
        "writes": method.writes,
        "params": [
            {
                "name": row["name"],
                "meaning": _prose(row["description"]),
                "required": row["required"],
                "type": _type(row["schema"]),
                "default": _default(row["schema"]),
            }
            for row in _params(method)
        ],
        "example": json.dumps(method.example, indent=2),
        "result": json.dumps(method.result, indent=2),
        "errors": [_error(code) for code in method.errors],
        "curl": _curl(address, body),
        "python": _python(address, method),
        "javascript": _javascript(address, body),
    }


def _prose(text: str) -> list[tuple[str, bool]]:
    """Pieces of text, each with whether it stood between backticks."""
    return [(piece, index % 2 == 1) for index, piece in enumerate(text.split("`"))]


def _type(schema: dict[str, Any]) -> str:
    """A schema in a few words: `string, 1-200`, `array of string, 1-500`."""
    if "anyOf" in schema:
        return " or ".join(_type(one) for one in schema["anyOf"])
    words = str(schema.get("type", "any"))
    if "enum" in schema:
        return ", ".join(schema["enum"])
    if words == "array":
        words = f"array of {_type(schema.get('items', {}))}"
    least = schema.get("minLength", schema.get("minItems", schema.get("minimum")))
    most = schema.get("maxLength", schema.get("maxItems", schema.get("maximum")))
    if most is not None:
        words += f", {least or 0}-{most}"
    return f"{words} ({schema['format']})" if "format" in schema else words


def _default(schema: dict[str, Any]) -> str:
    return json.dumps(schema["default"]) if "default" in schema else ""


def _curl(address: str, body: dict[str, Any]) -> str:
    # Inside single quotes a shell takes everything as it is, but for the quote itself.
    text = json.dumps(body, indent=2).replace("'", "'\\''")
    return (
        f'curl {address} \\\n  -H "Authorization: Bearer $SERVICE_KEY" \\\n'
        f"  -H 'Content-Type: application/json' \\\n  -d '{text}'"
    )


def _python(address: str, method: Method) -> str:
    arguments = ", ".join(f"{name}={value!r}" for name, value in method.example.items())
    return (
        "import os\n\nfrom notifications.client import NotificationsClient\n\n"
        f'with NotificationsClient("{address}", os.environ["SERVICE_KEY"]) as client:\n'
        f"    print(client.{method.name}({arguments}))"
    )


def _javascript(address: str, body: dict[str, Any]) -> str:
    return (
        f'const response = await fetch("{address}", {{\n'
        '  method: "POST",\n'
        "  headers: {\n"
        "    Authorization: `Bearer ${process.env.SERVICE_KEY}`,\n"
        '    "Content-Type": "application/json",\n'
        "  },\n"
        f"  body: JSON.stringify({json.dumps(body, indent=2)}),\n"
        "});\n"
        "console.log(await response.json());"
    )


def limits() -> dict[str, int]:
    """The bounds of one request, as they are set."""
    return {
        "kilobytes": conf().rpc_max_bytes // 1024,
        "batch": conf().rpc_max_batch,
        "calls": conf().rpc_calls_per_minute,
    }
