"""Request and response bodies of the APIs, and how an item is written in each.

Others use all of it.
"""
