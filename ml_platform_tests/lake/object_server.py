"""A real S3 server on this machine (moto's), which can be told to fail."""

import itertools
import logging
import threading
from collections.abc import Callable
from typing import Any

import boto3
from moto.moto_server.werkzeug_app import DomainDispatcherApplication, MotoRequestHandler, create_backend_app
from werkzeug.serving import make_server

_names = itertools.count(1)
_BROKEN = b"<Error><Code>InternalError</Code><Message>We encountered an internal error.</Message></Error>"


class QuietHandler(MotoRequestHandler):
    def log_request(self, *args: object) -> None:
        pass


class ObjectServer:
    """Serves on a free port. ``fault(n)`` says for the n-th request from now: None, "refuse" it, or "lose" its answer."""

    def __init__(self) -> None:
        logging.getLogger("werkzeug").setLevel(logging.ERROR)
        self._moto = DomainDispatcherApplication(create_backend_app)
        self._server = make_server("127.0.0.1", 0, self, threaded=True, request_handler=QuietHandler)
        self._guard = threading.Lock()
        self.fault: Callable[[int], str | None] = lambda n: None
        self.requests = 0
        self.failed = 0
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def __call__(self, environ: Any, start_response: Any) -> Any:
        with self._guard:
            self.requests += 1
            fault = self.fault(self.requests)
            self.failed += fault is not None
        if fault != "refuse":
            answer = list(self._moto(environ, start_response if fault is None else lambda *a: None))
            if fault is None:
                return answer
        length = int(environ.get("CONTENT_LENGTH") or 0)
        if fault == "refuse" and length:
            environ["wsgi.input"].read(length)
        start_response("500 Internal Server Error", [("Content-Type", "application/xml"), ("Content-Length", str(len(_BROKEN)))])
        return [_BROKEN]

    def break_requests(self, fault: Callable[[int], str | None]) -> None:
        """Count requests from one again, and fail those that ``fault`` says."""
        with self._guard:
            self.requests, self.failed, self.fault = 0, 0, fault

    @property
    def environment(self) -> dict[str, str]:
        host, port = self._server.server_address[:2]
        return {
            "AWS_ENDPOINT_URL": f"http://{host}:{port}",
            "AWS_ACCESS_KEY_ID": "nobody",
            "AWS_SECRET_ACCESS_KEY": "no-secret",
            "AWS_REGION": "us-east-1",
            "AWS_ALLOW_HTTP": "true",
        }

    def new_bucket(self) -> str:
        """Make an empty bucket and return its name."""
        name = f"lake-{next(_names)}"
        client: Any = boto3.client(
            "s3",
            endpoint_url=self.environment["AWS_ENDPOINT_URL"],
            aws_access_key_id="nobody",
            aws_secret_access_key="no-secret",  # noqa: S106  the server asks for none
            region_name="us-east-1",
        )
        client.create_bucket(Bucket=name)
        client.close()
        return name

    def stop(self) -> None:
        self._server.shutdown()
        self._server.server_close()
