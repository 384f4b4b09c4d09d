"""`python -m segmind_sd3_pipeline.generate`."""

import sys

from segmind_sd3_pipeline.generate.generator import main

sys.exit(main())
