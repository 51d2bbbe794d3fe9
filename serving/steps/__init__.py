"""The steps of a list, pure functions on arrays: filters, sources, scorers, rerankers, selection, reasons.

A step reads a `Context` (`context.py`) and takes or returns a `Table` of candidates (`table.py`). Recipes in
`serving.lists` name the steps; nothing else calls them.

Others use all of it.
"""
