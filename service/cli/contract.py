"""`whatsapp-channel openapi`: the contract as JSON, or as the page docs/api.md."""

import json
from collections.abc import Iterator, Mapping
from typing import Any

import click
from prometheus_client import CollectorRegistry

from service import wiring
from service.config import Settings
from service.web.openapi import document

_WRITTEN = "<!-- Written by `make docs` from the OpenAPI document; a test compares the two. -->"


@click.command()
@click.option("--markdown", is_flag=True, help="As docs/api.md instead of JSON.")
def openapi(markdown: bool) -> None:
    """Print the contract: what can be called, with what, and what is answered.

    \b
    whatsapp-channel openapi > openapi.json
    """
    contract = document(wiring.build_web_app(Settings(), CollectorRegistry()))
    click.echo("\n".join(as_markdown(contract)) if markdown else json.dumps(contract, indent=2, ensure_ascii=False))


def as_markdown(contract: Mapping[str, Any]) -> Iterator[str]:
    """The OpenAPI document as the lines of a page: the calls by tag, then every model."""
    title, _, about = contract["info"]["description"].partition("\n\n")
    yield from ["# The calls", "", _WRITTEN, "", title, "", about.strip(), ""]
    yield "`GET /openapi.json` is the same in OpenAPI 3.1, `/docs` a page that can try the calls. `/healthz`, `/readyz` and"
    yield "`/metrics` are for machines."
    for tag in contract["tags"]:
        yield from ["", f"## {tag['name'].capitalize()}", "", tag["description"]]
        for path, calls in contract["paths"].items():
            for method, call in calls.items():
                if tag["name"] in call["tags"]:
                    yield from _call(f"{method.upper()} {path}", call, contract["components"]["securitySchemes"])
    yield from ["", "## Bodies"]
    for name, schema in sorted(contract["components"]["schemas"].items()):
        yield from _body(name, schema)


def _call(heading: str, call: Mapping[str, Any], schemes: Mapping[str, Any]) -> Iterator[str]:
    yield from ["", f"### `{heading}`", "", call["summary"]]
    if call["description"]:
        yield from ["", call["description"].strip()]
    for needed in call.get("security", []):
        yield from ["", *(f"Who: {schemes[name]['description']}" for name in needed)]
    if call["parameters"]:
        yield from ["", "| parameter | in | |", "| --- | --- | --- |"]
        for parameter in call["parameters"]:
            yield f"| `{parameter['name']}` | {parameter['in']} | {parameter['description']} |"
    if "requestBody" in call:
        yield from ["", f"Body: {_type(_schema(call['requestBody']))}."]
    yield from ["", "| status | body | |", "| --- | --- | --- |"]
    for status, answer in call["responses"].items():
        body = _type(_schema(answer)) if "content" in answer else "–"
        yield f"| {status} | {body} | {answer['description']} |"


def _body(name: str, schema: Mapping[str, Any]) -> Iterator[str]:
    yield from ["", f"### {name}", "", schema.get("description", "").strip()]
    yield from ["", "| field | type | |", "| --- | --- | --- |"]
    required = schema.get("required", [])
    for field, of in schema["properties"].items():
        notes = [of.get("description", "").replace("|", r"\|"), "" if field in required else "may be absent"]
        yield f"| `{field}` | {_type(of)} | {'; '.join(note for note in notes if note)} |"
    for example in schema.get("examples", []):
        in_order = {field: example[field] for field in schema["properties"] if field in example}
        yield from ["", "```json", json.dumps(in_order, indent=2, ensure_ascii=False), "```"]


def _schema(holder: Mapping[str, Any]) -> Mapping[str, Any]:
    schema: Mapping[str, Any] = next(iter(holder["content"].values()))["schema"]
    return schema


def _type(schema: Mapping[str, Any]) -> str:
    """A schema in a few words: a link to a model, a list of them, the values it may have."""
    match schema:
        case {"$ref": str(reference)}:
            name = reference.rpartition("/")[2]
            return f"[{name}](#{name.lower()})"
        case {"anyOf": choices}:
            return " or ".join(_type(choice) for choice in choices)
        case {"enum": [*values]} | {"const": values}:
            return " ".join(f"`{value}`" for value in ([values] if isinstance(values, str) else values))
        case {"type": "array", "items": items}:
            return f"list of {_type(items)}"
        case {"type": "object", "additionalProperties": {"type": str(kind)}}:
            return f"object of {kind}s"
        case _:
            return str(schema.get("type", "anything"))
