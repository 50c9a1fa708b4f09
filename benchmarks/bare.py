"""A Flask view that does nothing, served as ``tanhui serve`` does: what all others cost besides."""

import os

from flask import Flask, Response

app = Flask(__name__)


@app.get("/readyz")
def nothing() -> Response:
    """As short an answer as there is."""
    return Response(b"{}", content_type="application/json")


def main() -> None:
    """Serve at the port of the settings, with the threads and workers of the service."""
    from granian import Granian
    from granian.constants import HTTPModes, Interfaces

    Granian(
        "benchmarks.bare:app",
        address="127.0.0.1",
        port=int(os.environ["TANHUI_PORT"]),
        interface=Interfaces.WSGI,
        workers=2,
        blocking_threads=8,
        http=HTTPModes.http1,
        log_access=False,
        websockets=False,
    ).serve()


if __name__ == "__main__":
    main()
