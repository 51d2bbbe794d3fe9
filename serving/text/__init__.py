"""Lexical search: terms of a text, synonyms, corrections, BM25.

Others use `lexical`, `matches`, `synonyms`, `terms` and `titles`.
"""
