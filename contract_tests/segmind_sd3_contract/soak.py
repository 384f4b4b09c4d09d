"""Many async calls at once, under faults: nothing outside the tree, nothing left open, memory flat.

Over real sockets, to a reference server in a thread of this process. Every other call arms a random fault, of
HTTP or of the wire; which call meets it is left to chance.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
import time
from collections import Counter
from dataclasses import asdict, dataclass, field
from random import Random
from typing import TYPE_CHECKING, Any, Final

import anyio
from rich.console import Console
from rich.progress import Progress
from segmind_sd3 import AsyncClient, Generation, Retry, SegmindError

from segmind_sd3_contract.fault_rows import ONE, ROWS
from segmind_sd3_contract.ledger import Sending, sent_in_vain
from segmind_sd3_contract.reference import MADE_UP_KEY, PROVOCATIONS, ReferenceServer
from segmind_sd3_contract.traces import files_over, open_files, resident_bytes, watching
