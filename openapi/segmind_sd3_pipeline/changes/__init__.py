"""Compare two states of the contract, rate each change for users, and report what follows.

`rating` compares two bundles, and `python_api` two parameter tables and two source trees. `outdated` finds
actions, cases and cassettes that no longer hold. `versions` suggests a version and lines for the changelog.
`report` combines them. `segmind-sd3 diff` and `make regenerate` print the report.
"""
