"""Make the site's pictures, figures and recorded sessions: `python -m proofs.docs [PART…]`.

Figures are those of a proof's last result in `out/`. Without one, the proof runs first, which takes minutes.
"""

from __future__ import annotations

import argparse
import sys

from proofs.docs import figures, pictures

PARTS = {
    part.__name__: part
    for part in (
        pictures.demo,
        pictures.notebook,
        pictures.diagram,
        pictures.session,
        figures.grid,
        figures.faults,
        figures.mutation,
        figures.speed,
        figures.claims,
    )
}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("only", nargs="*", metavar="PART", help=f"of: {', '.join(PARTS)}")
    chosen = parser.parse_args().only or list(PARTS)
    if unknown := [name for name in chosen if name not in PARTS]:
        parser.error(f"there is no part {', '.join(unknown)}; there are {', '.join(PARTS)}")
    for name in chosen:
        print(name, flush=True)
        PARTS[name]()
    return 0


if __name__ == "__main__":
    sys.exit(main())
