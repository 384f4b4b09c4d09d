"""The contract suite as a product: the whole contract, tried on a running API, and told.

    contract -> cases -> plan (prices, tiers) -> run (budget, journal) -> verdicts -> report

It knows nothing of a server but its URL and a key: only the command imports the reference server.
"""
