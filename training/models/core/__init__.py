"""What models share: the base classes, training data, vocabularies, storage, and numeric parts.

Others use all of it.
"""
