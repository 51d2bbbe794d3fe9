"""The contracts' bodies, in and out, and how an item is written in each."""
