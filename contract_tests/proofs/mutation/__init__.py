"""The mutation score: the contract, the server and the specs are changed one thing at a time, and the suite
must notice each change. `python -m proofs.mutation` runs them all.
"""
