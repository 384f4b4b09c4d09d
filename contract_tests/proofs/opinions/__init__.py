"""Compare our rating of each class of changes with those of other programs."""
