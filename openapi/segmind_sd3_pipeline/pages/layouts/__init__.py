"""One reader for each layout of the vendor's pages, all with the same facts."""
