"""moto's S3 server with conditional writes as S3 has them. Argument: the port on 127.0.0.1.

moto 5.1 ignores If-Match of a PutObject, and looks at If-None-Match before it stores, with nothing that keeps another
thread from storing in between. Here each request is answered as a whole before the next.
"""

import sys
from io import BytesIO
from threading import Lock

from moto.moto_server.werkzeug_app import DomainDispatcherApplication, create_backend_app
from werkzeug.serving import run_simple

FAILED = (
    b'<?xml version="1.0" encoding="UTF-8"?><Error><Code>PreconditionFailed</Code><Message>At least one of the '
    b"pre-conditions you specified did not hold</Message><Condition>If-Match</Condition></Error>"
)

moto = DomainDispatcherApplication(create_backend_app)
one_at_a_time = Lock()


def etag(environ):
    """Of the object that is there now; None: there is none."""
    found = []
    question = {key: value for key, value in environ.items() if not key.startswith("HTTP_IF_")}
    question.update(REQUEST_METHOD="HEAD", CONTENT_LENGTH="0")
    question["wsgi.input"] = BytesIO()
    b"".join(moto(question, lambda _, headers, *__: found.extend(headers)))
    return next((value for name, value in found if name.lower() == "etag"), None)


def answer(environ, start_response):
    length = environ.get("CONTENT_LENGTH")
    if length:
        # Read before the lock is taken: a slow sender must not make the others wait.
        environ["wsgi.input"] = BytesIO(environ["wsgi.input"].read(int(length)))
    with one_at_a_time:
        wanted = environ.get("HTTP_IF_MATCH")
        if environ["REQUEST_METHOD"] == "PUT" and wanted and etag(environ) != wanted:
            start_response("412 Precondition Failed", [("Content-Type", "application/xml")])
            return [FAILED]
        return [b"".join(moto(environ, start_response))]


run_simple("127.0.0.1", int(sys.argv[1]), answer, threaded=True)
