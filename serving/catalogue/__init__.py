"""Items in memory (`index`), kept current by the change feed (`feed`), and what clients write (`writes`).

Others use all of it.
"""
