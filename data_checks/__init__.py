"""What a snapshot must satisfy before anything is trained on it.

Others use `frames`, `errors` and `validate`.
"""
