"""The contract at work: the reference server here, and the suite that holds SDK and service to it.

Its import fails where a package of the extra `contract` is not installed, and says so.
"""

from importlib.util import find_spec

NEEDED = (
    *("PIL", "allpairspy", "click", "jinja2", "jsonschema", "markupsafe", "pytest", "rich", "schemathesis"),
    *("starlette", "uvicorn", "vcr", "yaml"),
)
"""The modules that the extra brings."""

if _missing := [name for name in NEEDED if find_spec(name) is None]:
    raise ImportError(
        f"{__name__} needs {', '.join(_missing)}: pip install 'segmind-sd3[contract]'", name=__name__
    )
