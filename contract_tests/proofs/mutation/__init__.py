"""Measure the suite's mutation score: `python -m proofs.mutation`.

Each mutant changes one thing in the server's contract, in its behaviour or in the specs. The suite must kill
it.
"""
