"""From a docs page of the vendor to the contract: pages are read, checked against the specs, and followed."""
