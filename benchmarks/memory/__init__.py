"""What each stage of a night needs of memory, by the size of the history."""
