"""`python -m proofs.faults`."""

from proofs.faults.table import main

main()
