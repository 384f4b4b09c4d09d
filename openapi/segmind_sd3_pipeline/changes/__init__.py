"""What a change of the contract means for users: rated, told, and brought through to a tested client.

`rating` reads two bundles, `python_api` two parameter tables and two source trees, `outdated` what else stops
holding; `report` puts them together, `versions` says which number and which lines of the changelog follow.
`segmind-sd3 diff` and `make regenerate` print the report.
"""
