"""What a call through the SDK costs beside the same call through bare httpx: `make bench`."""
