"""Compare the cost of a call through the SDK with the same call through bare httpx: `make bench`."""
