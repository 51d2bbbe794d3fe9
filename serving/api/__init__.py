"""The HTTP APIs, a router each: validate, call the plane, translate. `app.create_app` puts them together.

What they need of the rest of the service is in `protocol.py`, and nothing else of it is imported here.

Others use `app`, `auth`, `connections` and `entrance`.
"""
