"""Recorded exchanges of every endpoint, each with where it came from.

```python
with replaying(FOLDER / cases()["sd35_turbo_txt2img::plain"].file): ...   # httpx answers from the cassette
recorded()["sd35_turbo_txt2img::steps::max"].status
sources()["gateway-html"]                                                 # {"reference"}
```

They come from the reference server (`make record`), under an address that can't exist, and say so. What the
live service answers is recorded apart, into a folder of its own, by whoever has a key and pays.
"""

from segmind_sd3_contract.cassettes.cases import Case, cases, live_cases
from segmind_sd3_contract.cassettes.library import FOLDER, LIVE, Recorded, load, recorded, sources
from segmind_sd3_contract.cassettes.storage import replaying

__all__ = [
    "FOLDER",
    "LIVE",
    "Case",
    "Recorded",
    "cases",
    "live_cases",
    "load",
    "recorded",
    "replaying",
    "sources",
]
