"""The contract at work: the reference server here, and the suite that holds SDK and service to it."""
