"""The public contract: `/openapi.json` for machines, `/docs` for people.

The page is Swagger UI from the package flask-openapi3-swagger, of which only the files are used; nothing comes from outside.
"""

from importlib.metadata import distribution
from pathlib import Path

from flask import Blueprint, Response, current_app, jsonify, redirect, render_template, send_from_directory, url_for
from werkzeug.wrappers import Response as WerkzeugResponse

from service.web.openapi import document

_ASSETS = {"swagger-ui.css": "css", "swagger-ui-bundle.js": "js"}
"""What the page needs of Swagger UI, and the folder of the package that has it."""

_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; connect-src 'self'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
"""Swagger UI sets styles on its elements; scripts come from here only."""


def blueprint() -> Blueprint:
    """The routes of this file."""
    routes = Blueprint("docs", __name__, static_folder="static", static_url_path="/docs/static")
    swagger_ui = _swagger_ui()

    @routes.get("/openapi.json")
    def openapi() -> Response:
        return jsonify(document(current_app))

    @routes.get("/")
    def to_page() -> WerkzeugResponse:
        return redirect(url_for("docs.page"))

    @routes.get("/docs")
    def page() -> Response:
        return Response(render_template("docs.html"), headers={"Content-Security-Policy": _POLICY})

    @routes.get("/docs/swagger-ui/<name>")
    def asset(name: str) -> Response:
        return send_from_directory(swagger_ui / _ASSETS.get(name, ""), name)

    return routes


def _swagger_ui() -> Path:
    """Where the package keeps its files; it is not imported, since that would bring a framework along."""
    files = distribution("flask-openapi3-swagger").locate_file("flask_openapi3_swagger/templates/swagger")
    return Path(str(files))
