"""All SQL, and the settings: a module for each group of tables. It imports no other folder.

Others use all of it.
"""
