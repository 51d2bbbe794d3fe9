"""/v1: one API for any shop, over the same catalogue and lists as the four original contracts.

Others use `problems` and `router`.
"""
