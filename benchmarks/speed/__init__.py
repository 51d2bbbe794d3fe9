"""Jobs done by us and by a library that people would use instead, on the same data, in one run."""
