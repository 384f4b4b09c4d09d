"""Compare the time and memory of the SDK with those of other clients: `make bench`."""
