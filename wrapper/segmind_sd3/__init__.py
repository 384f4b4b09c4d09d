"""Python client of Segmind's five Stable Diffusion 3 endpoints.

```python
from segmind_sd3 import Client

with Client() as client:  # SEGMIND_API_KEY, or api_key=
    drawn = client.sd35_turbo_txt2img(prompt="a panda in a neon market")
    drawn.save("panda.jpg")
```
"""

from ._client import AsyncClient, Client
from ._errors import (
    APIError,
    AuthenticationError,
    BudgetExceeded,
    ConnectionFailed,
    InsufficientCredits,
    InvalidRequest,
    NotFound,
    OutcomeUnknown,
    Problem,
    RateLimited,
    RequestRefused,
    SegmindError,
    ServerError,
    UnusableReply,
)
from ._prepared import Prepared
from ._result import Generation, Image
from ._retry import Retry
from ._version import __version__

__all__ = [
    "APIError",
    "AsyncClient",
    "AuthenticationError",
    "BudgetExceeded",
    "Client",
    "ConnectionFailed",
    "Generation",
    "Image",
    "InsufficientCredits",
    "InvalidRequest",
    "NotFound",
    "OutcomeUnknown",
    "Prepared",
    "Problem",
    "RateLimited",
    "RequestRefused",
    "Retry",
    "SegmindError",
    "ServerError",
    "UnusableReply",
    "__version__",
]
