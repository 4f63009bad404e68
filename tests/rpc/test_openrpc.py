"""The OpenRPC document and its page."""

import json
import re
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from django.contrib.auth.models import User
from django.db import OperationalError
from django.db.backends.base.base import BaseDatabaseWrapper
from django.test import AsyncClient, AsyncRequestFactory, override_settings
from referencing import Registry
from referencing.jsonschema import DRAFT7

from notifications.rpc import openrpc, views
from notifications.rpc.registry import METHODS
from notifications.rpc.schemas import validate
from tests.rpc.caller import Caller

SCHEMAS = Path(__file__).parent / "openrpc"


@pytest.fixture(scope="module")
def document() -> dict[str, Any]:
    """The document as it is served."""
    made: dict[str, Any] = json.loads(json.dumps(openrpc.document("https://platform.example/rpc/")))
    return made


def schema(name: str) -> Any:
    """One of the vendored schemas."""
    return json.loads((SCHEMAS / name).read_text())


def resolved(document: dict[str, Any], part: Any) -> Any:
    """A part of the document with its references replaced by what they refer to."""
    if isinstance(part, dict):
        if "$ref" in part:
            found: Any = document
            for step in part["$ref"].removeprefix("#/").split("/"):
                found = found[step]
            return resolved(document, found)
        return {key: resolved(document, value) for key, value in part.items()}
    return [resolved(document, value) for value in part] if isinstance(part, list) else part


def test_the_document_is_valid_against_the_meta_schema(document: dict[str, Any]) -> None:
    """OpenRPC's own, with the JSON Schema it refers to."""
    meta, json_schema = schema("meta-schema.json"), schema("json-schema.json")
    # Published under this address with and without the slash.
    registry: Registry[Any] = Registry().with_resources(
        (address, DRAFT7.create_resource(json_schema))
        for address in ("https://meta.json-schema.tools", "https://meta.json-schema.tools/")
    )
    validator = jsonschema.Draft7Validator(meta, registry=registry)
    assert [error.message for error in validator.iter_errors(document)] == []
    assert [e.message for e in validator.iter_errors({**document, "methods": [{"name": "x"}]})] != []


def test_the_document_names_every_method_once_with_its_parameters_in_order(document: dict[str, Any]) -> None:
    """Made from the code: it cannot leave one out."""
    names = [method["name"] for method in document["methods"]]
    assert sorted(names) == sorted(METHODS)
    assert names[0] == "notifications.send"
    send = document["methods"][0]
    assert [param["name"] for param in send["params"]] == [
        "uid",
        "title",
        "body",
        "kind",
        "level",
        "url",
        "data",
        "ref",
        "display",
        "confirm",
        "expires_at",
        "idempotency_key",
    ]
    assert [param["name"] for param in send["params"] if param["required"]] == ["uid", "title"]
    assert send["x-scope"] == "notify"
    assert send["params"][1]["schema"] == {"type": "string", "minLength": 1, "maxLength": 200}


@pytest.mark.parametrize("name", sorted(METHODS))
def test_every_example_is_good(document: dict[str, Any], name: str) -> None:
    """Its parameters pass the method's own validation and the schema, its result the schema of results."""
    method = next(m for m in document["methods"] if m["name"] == name)
    example = method["examples"][0]
    values = {param["name"]: param["value"] for param in example["params"]}
    validate(METHODS[name].params, values)
    for param in method["params"]:
        if param["name"] in values:
            jsonschema.validate(values[param["name"]], resolved(document, param["schema"]))
    jsonschema.validate(example["result"]["value"], resolved(document, method["result"]["schema"]))


@pytest.mark.parametrize("name", ["service.info", "notifications.send", "inbox.list", "notifications.send_many"])
async def test_results_are_as_their_schema_says(billing: Caller, document: dict[str, Any], name: str) -> None:
    """What really comes out of a method."""
    method = next(m for m in document["methods"] if m["name"] == name)
    result = await billing.call(name, **METHODS[name].example)
    jsonschema.validate(result, resolved(document, method["result"]["schema"]))


async def test_the_document_is_served_with_its_own_address() -> None:
    """To anyone: it holds no secret."""
    response = await AsyncClient().get("/rpc/openrpc.json")
    assert response.status_code == 200
    assert response["Content-Type"] == "application/json"
    assert json.loads(response.content)["servers"][0]["url"] == "http://testserver/rpc/"
    assert (await AsyncClient().post("/rpc/openrpc.json")).status_code == 405


class Page(HTMLParser):
    """What a page holds."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Note it."""
        self.tags.append((tag, dict(attrs)))


async def test_the_page_shows_every_method_under_a_strict_policy() -> None:
    """With examples in three languages, links that lead somewhere, and not one script or inline style."""
    response = await AsyncClient().get("/rpc/docs/")
    assert response.status_code == 200
    text = response.content.decode()
    page = Page(text)
    ids = {attrs["id"] for _, attrs in page.tags if "id" in attrs}
    for name, method in METHODS.items():
        assert name in text
        assert name.replace(".", "-") in ids
        assert method.scope is None or f"scope: {method.scope.value}" in text
    links = [attrs["href"] for tag, attrs in page.tags if tag == "a"]
    assert all(href in ("/rpc/openrpc.json",) or (href or "")[1:] in ids for href in links)
    assert len(re.findall("<summary>(curl|Python|JavaScript)</summary>", text)) == 3 * len(METHODS)
    assert [tag for tag, attrs in page.tags if tag in ("script", "style") or "style" in attrs] == []
    assert "`" not in text.replace("`Bearer ${process.env.SERVICE_KEY}`", "")
    policy = response["Content-Security-Policy"]
    assert policy == "default-src 'none'; style-src 'self'; img-src 'self'; base-uri 'none'; form-action 'none'"


@override_settings(NOTIFICATIONS={"RPC_MAX_BATCH": 7})
async def test_the_page_tells_the_limits_as_they_are_set() -> None:
    """Not those of the package."""
    assert "7 calls" in (await AsyncClient().get("/rpc/docs/")).content.decode()


def test_curl_examples_survive_a_quote() -> None:
    """A quote in an example must not end the shell's string."""
    assert "it'\\''s" in openrpc._curl("http://x/", {"title": "it's"})


async def page_for(user: User | None) -> tuple[Any, list[str]]:
    """The page as somebody sees it, and its scripts."""
    client = AsyncClient()
    if user is not None:
        await client.aforce_login(user)
    response = await client.get("/rpc/docs/")
    scripts = [attrs.get("src") or "inline" for tag, attrs in Page(response.content.decode()).tags if tag == "script"]
    return response, scripts


@pytest.mark.django_db(transaction=True)
async def test_staff_alone_are_given_a_console() -> None:
    """With one script of ours that may call this service and nobody else; everybody else's page has none."""
    staff = await User.objects.acreate_user("desk", password="x", is_staff=True)
    response, scripts = await page_for(staff)
    assert scripts == ["/static/notifications/rpc/console.js"]
    assert 'id="console"' in response.content.decode()
    policy = dict(part.split(" ", 1) for part in response["Content-Security-Policy"].split("; "))
    assert policy == {
        "default-src": "'none'",
        "script-src": "'self'",
        "connect-src": "'self'",
        "style-src": "'self'",
        "img-src": "'self'",
        "base-uri": "'none'",
        "form-action": "'none'",
        "frame-ancestors": "'none'",
        "require-trusted-types-for": "'script'",
        "trusted-types": "'none'",
    }
    # What differs by who asks, no cache between may mix up.
    assert "Cookie" in response["Vary"]
    user = await User.objects.acreate_user("user", password="x")
    was_staff = await User.objects.acreate_user("gone", password="x", is_staff=True, is_active=False)
    for somebody in (user, was_staff, None):
        response, scripts = await page_for(somebody)
        assert (scripts, 'id="console"' in response.content.decode()) == ([], False)
        assert "script-src" not in response["Content-Security-Policy"]
    with override_settings(NOTIFICATIONS={"STANDALONE": True}):
        assert (await page_for(staff))[1] == []


@pytest.mark.django_db(transaction=True)
async def test_the_page_is_there_while_the_database_is_away(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without the console: who asks cannot be found out, and the page itself needs no database."""

    def away(_: BaseDatabaseWrapper) -> None:
        raise OperationalError("could not connect to server")

    client = AsyncClient()
    await client.aforce_login(await User.objects.acreate_user("desk", password="x", is_staff=True))
    with monkeypatch.context() as patch:
        patch.setattr(BaseDatabaseWrapper, "cursor", away)
        response = await client.get("/rpc/docs/")
    assert response.status_code == 200
    assert "notifications.send" in response.content.decode()
    assert 'id="console"' not in response.content.decode()
    assert 'id="console"' in (await client.get("/rpc/docs/")).content.decode()


async def test_projects_without_sessions_have_the_page_alone() -> None:
    """Nobody can be asked who it is."""
    request = AsyncRequestFactory().get("/rpc/docs/")
    assert b'id="console"' not in (await views.docs(request)).content
