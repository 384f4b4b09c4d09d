"""Compare what SDKs of paid APIs do with a call that may have been billed."""
