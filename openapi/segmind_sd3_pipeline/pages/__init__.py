"""Read the vendor's docs pages, compare them with the specs, and edit the specs to match."""
