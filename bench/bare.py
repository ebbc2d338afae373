"""What the web rows are compared to: Flask that answers an empty 200 to whatever it is sent, under the same gunicorn."""

from flask import Flask, Response, request

app = Flask(__name__)


@app.post("/<path:anything>")
def take(anything: str) -> Response:  # noqa: ARG001 - Flask hands it over
    """Read the body, and nothing more."""
    request.get_data()
    return Response(status=200)
