"""What the service promises, printed: the calls (`openapi`, docs/api.md), Meta's error codes (`errors`, docs/errors.md)."""

import json
from collections.abc import Iterator, Mapping
from typing import Any

import click
from prometheus_client import CollectorRegistry

from service import wiring
from service.config import Settings
from service.web.openapi import document
from service.whatsapp.errors import (
    AS_OF,
    CODES,
    GROUPS,
    META,
    RANGES,
    READ_ON,
    SOURCE,
    SUBCODES,
    UNKNOWN,
    UNKNOWN_401,
    Verdict,
    verdict_on,
    what_we_do,
)

_WRITTEN = "<!-- Written by `make docs` from the OpenAPI document; a test compares the two. -->"
_ABOUT_ERRORS = f"""# Meta's error codes

<!-- Written by `make docs` from service/whatsapp/errors.py; a test compares the two. -->

Source: [Meta's page]({SOURCE}) in its state of {AS_OF}, read in {READ_ON}. A code with ▲ is not on that page;
`whatsapp-channel errors CODE` names its source. HTTP is the status that Meta documents. An answer is judged by its code first
and by its status second: permanent errors come as 500 too, and limits as 400.

| class | what it means |
| --- | --- |
| Throttled | a limit was reached |
| Unavailable | not taken, and it passes |
| Refused | never taken as it is |
| OptedOut | refused, because the recipient wants none |
| WrongDoor | refused by one of the number's two calls; the other may take it |
| Unauthorised | the token, the number or the account may not send now |

The scope is whom the code concerns. Where all of it waits (a template, country, number, account `waba`, token), nothing that
shares it is sent meanwhile. How long is the table's word where Meta's answer has none; Meta's own counts up to a day, for
Throttled and Unavailable. Code 1 and unknown codes go again like Unavailable where the answer says `is_transient`.

A failure that Meta tells later, by notification, goes again only for Throttled, Unavailable and Unauthorised: after the wait
named here, and after a minute at least."""
_HEAD = (
    "| code | HTTP | class | scope | what we do | what it means | what to do |",
    "| --- | --- | --- | --- | --- | --- | --- |",
)


@click.command()
@click.option("--markdown", is_flag=True, help="As docs/api.md instead of JSON.")
def openapi(markdown: bool) -> None:
    """Print the contract: what can be called, with what, and what is answered.

    \b
    whatsapp-channel openapi > openapi.json
    """
    contract = document(wiring.build_web_app(Settings(), CollectorRegistry()))
    click.echo("\n".join(as_markdown(contract)) if markdown else json.dumps(contract, indent=2, ensure_ascii=False))


@click.command()
@click.argument("code", type=int, required=False)
@click.option("--markdown", is_flag=True, help="The whole table as docs/errors.md.")
def errors(code: int | None, markdown: bool) -> None:
    """Say what Meta's error codes mean, what the service does about them and what to do.

    \b
    whatsapp-channel errors            every code in a line
    whatsapp-channel errors 132015     all about one
    """
    if markdown and code is not None:
        raise click.UsageError("--markdown prints every code; leave CODE out")
    if markdown:
        lines = errors_as_markdown()
    elif code is not None:
        lines = _error_in_words(code)
    else:
        lines = (f"{_codes(row):<15}{verdict.title}: {what_we_do(verdict)}" for row, verdict in CODES.items())
    click.echo("\n".join(lines))


def _error_in_words(code: int) -> Iterator[str]:
    verdict = verdict_on(code)
    yield from _entry(str(code), verdict)
    for (of, subcode), verdict in SUBCODES.items():
        if of == code:
            yield from ["", *_entry(f"{of}, subcode {subcode}", verdict)]


def _entry(code: str, verdict: Verdict) -> Iterator[str]:
    yield from [f"{code}  {verdict.title}", verdict.explanation]
    yield f"What the service does: {what_we_do(verdict)}"
    yield f"What to do: {verdict.next_step}"
    yield f"HTTP status: {verdict.http_status or 'not documented'}. Source: {verdict.source}."


def errors_as_markdown() -> Iterator[str]:
    """The table of Meta's codes as the lines of a page: a section for each group, then what happens to all other codes."""
    yield _ABOUT_ERRORS
    for group, rows in GROUPS.items():
        yield from ["", f"## {group}", "", *_HEAD]
        for code, verdict in rows.items():
            yield _row(_codes(code), verdict)
            yield from (_row(f"{of} / {sub}", verdict) for (of, sub), verdict in SUBCODES.items() if of == code)
    yield from ["", "## Every other code", "", *_HEAD, _row("–", UNKNOWN), _row("–", UNKNOWN_401)]


def _codes(row: int) -> str:
    """The code of a row, or the range of codes that it stands for."""
    codes = RANGES.get(row)
    return f"{codes[0]}–{codes[-1]}" if codes else str(row)


def _row(code: str, verdict: Verdict) -> str:
    mark = "" if verdict.source in {META, UNKNOWN.source} else " ▲"
    cells = [f"{code}{mark}", verdict.http_status or "–", verdict.kind.__name__, verdict.scope, what_we_do(verdict)]
    return f"| {' | '.join(map(str, cells))} | {verdict.title}. {verdict.explanation} | {verdict.next_step} |"


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
        body = call["requestBody"]
        kind = "CSV" if "text/csv" in body["content"] else _type(_schema(body))
        yield from ["", f"Body: {kind}{'' if body['required'] else ', or none'}."]
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
