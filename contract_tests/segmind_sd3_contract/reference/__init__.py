"""The reference server: the five endpoints, answered as the contract says, without a key or a network.

```python
server = ReferenceServer(profile="observed", credits=10.0)
client = Client(MADE_UP_KEY, transport=server.transport())   # in-process
with server.listening() as url: ...                          # or on a socket
server.provoke("error-in-200"); server.ledger; server.credits
```

What it does not imitate:

- No model draws. A picture is hills and a sun made from the request's digest: it has the size, format
  and quality asked for, the same bytes for the same request, and nothing of what the prompt says.
- An input picture shines through, more or less by `strength`. Tile's page contradicts itself; here, as
  two of its three sentences say, a higher strength keeps more. A `https://` input is not fetched: a
  picture made of the URL's own text stands in for it.
- Time: it answers at once, and `x-generation-time` is computed from the steps, not measured.
- Money: a call costs a listed average times its pictures, whatever their size and steps. There is one
  account for all keys.
- Several pictures are a list in the JSON reply; picture n has the n-th seed from the one sent. Asked
  for without base64, which was never seen live, the first alone comes, and all are billed. Where a
  page sets no bound, at most 16 are drawn and billed.
- Open value lists are open: an unknown sampler draws, where the live service may answer 500. An unknown
  format draws a JPEG, an unknown aspect ratio leaves the size to width and height.
- Which status refuses a bad value is assumed: 406 in the profile "documented", 400 in "observed".
- Seed -1 is a random seed everywhere, though that is known of medium txt2img alone.
- No bearer tokens, no multipart bodies, no newer surfaces. TLS by `listening(tls=…)` alone.
- A stall, a drip or a reset is real on a socket alone. In-process, what httpx raises for it stands for it,
  once the client's read timeout is over; nothing drips there.
"""

from segmind_sd3_contract.reference.account import Entry
from segmind_sd3_contract.reference.contract import PROFILES, Operation, Profile
from segmind_sd3_contract.reference.examples import MADE_UP_KEY, example_body, example_request
from segmind_sd3_contract.reference.exchange import Answer, Request
from segmind_sd3_contract.reference.provocations import PROVOCATIONS, REPLY_FAULTS, Provocation
from segmind_sd3_contract.reference.server import ReferenceServer
from segmind_sd3_contract.reference.service import CREDITS_PATH

__all__ = [
    "CREDITS_PATH",
    "MADE_UP_KEY",
    "PROFILES",
    "PROVOCATIONS",
    "REPLY_FAULTS",
    "Answer",
    "Entry",
    "Operation",
    "Profile",
    "Provocation",
    "ReferenceServer",
    "Request",
    "example_body",
    "example_request",
]
