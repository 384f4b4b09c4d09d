"""Python client of Segmind's five Stable Diffusion 3 endpoints.

```python
from segmind_sd3 import Client

with Client() as client:  # SEGMIND_API_KEY, or api_key=
    drawn = client.sd35_turbo_txt2img(prompt="a panda in a neon market")
    drawn.save("panda.jpg")
```
"""

from importlib import import_module
from typing import TYPE_CHECKING

from ._version import __version__

if TYPE_CHECKING:
    from ._batch.outcome import BatchSummary, JobOutcome, JobProblem
    from ._client import AsyncClient, Client
    from ._content import StreamedContent
    from ._errors import (
        APIError,
        AuthenticationError,
        BudgetExceeded,
        ConnectionFailed,
        ConnectionTimedOut,
        InsufficientCredits,
        InvalidRequest,
        NotFound,
        OutcomeTimedOut,
        OutcomeUnknown,
        Problem,
        RateLimited,
        RequestRefused,
        SegmindError,
        ServerError,
        UnusableReply,
    )
    from ._events import Finished, Sending, Waiting
    from ._prepared import Prepared
    from ._result import Credits, Generation, Image
    from ._retry import Retry
    from ._sent import SentRequest, parameters_of

_MODULES = {
    "_batch.outcome": ("BatchSummary", "JobOutcome", "JobProblem"),
    "_client": ("AsyncClient", "Client"),
    "_content": ("StreamedContent",),
    "_errors": (
        "APIError",
        "AuthenticationError",
        "BudgetExceeded",
        "ConnectionFailed",
        "ConnectionTimedOut",
        "InsufficientCredits",
        "InvalidRequest",
        "NotFound",
        "OutcomeTimedOut",
        "OutcomeUnknown",
        "Problem",
        "RateLimited",
        "RequestRefused",
        "SegmindError",
        "ServerError",
        "UnusableReply",
    ),
    "_events": ("Finished", "Sending", "Waiting"),
    "_prepared": ("Prepared",),
    "_result": ("Credits", "Generation", "Image"),
    "_retry": ("Retry",),
    "_sent": ("SentRequest", "parameters_of"),
}
_MODULE_OF = {name: module for module, names in _MODULES.items() for name in names}

__all__ = [
    "APIError",
    "AsyncClient",
    "AuthenticationError",
    "BatchSummary",
    "BudgetExceeded",
    "Client",
    "ConnectionFailed",
    "ConnectionTimedOut",
    "Credits",
    "Finished",
    "Generation",
    "Image",
    "InsufficientCredits",
    "InvalidRequest",
    "JobOutcome",
    "JobProblem",
    "NotFound",
    "OutcomeTimedOut",
    "OutcomeUnknown",
    "Prepared",
    "Problem",
    "RateLimited",
    "RequestRefused",
    "Retry",
    "SegmindError",
    "Sending",
    "SentRequest",
    "ServerError",
    "StreamedContent",
    "UnusableReply",
    "Waiting",
    "__version__",
    "parameters_of",
]


def __getattr__(name: str) -> object:
    """Load a public name when it is first used: a program that only names an error loads no HTTP."""
    if (module := _MODULE_OF.get(name)) is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = globals()[name] = getattr(import_module(f".{module}", __name__), name)
    return value


def __dir__() -> list[str]:
    return __all__
