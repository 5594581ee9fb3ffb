"""Gateways: a platform's event in, a response out, nothing else.

Each module has a pure `read_...` (event to Request), a pure `write_...` (Response to what the platform wants) and a
handler that joins them: `aws.lambda_handler`, `asgi.asgi_app`, `wsgi.wsgi_app`. What is between the two, asking the
application who is signed in, running the program and the last-resort page, is in `serve`, once for all of them.

The one rule: a gateway translates and never decides. The target it hands on is the raw one; no forwarded header is
read. Azure and Vercel serve WSGI or ASGI applications; a Google Cloud Function, which gets a Flask request,
answers with `flask.Response.from_app(wsgi_app(...), request.environ)`. `scheduler.keepalive_handler` takes any event.

Not here: routes and pages (`web`), flows (`connections`).
"""
