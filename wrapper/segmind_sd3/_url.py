"""URLs, as httpx reads and normalises them."""

from httpx import URL, InvalidURL

__all__ = ["URL", "InvalidURL"]
