"""What the proofs found, as pages: faults, mutants, speed, and the bounds that a run tried."""

from __future__ import annotations

import json
import textwrap
from collections import Counter
from functools import partial
from html import escape
from itertools import groupby
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any, Final

from click.testing import CliRunner
from segmind_sd3_contract.conformance.command import conformance

from proofs.bench.peers import OURS
from proofs.docs.writing import DOCS, ROOT, result_of, table, write_between_marks, write_picture

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

STYLE: Final = (
    "text{font:12px system-ui,sans-serif;fill:#333}"
    ".no{fill:#3c9a5f}.yes{fill:#3b76c4}.unknown{fill:#d9a13b}.wrong{fill:#c03030}.none{fill:#ddd}"
    "@media(prefers-color-scheme:dark){text{fill:#ddd}.none{fill:#444}}"
)


def svg(width: int, height: int, title: str, parts: Sequence[str]) -> str:
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" width="{width}" role="img">'
        f"<title>{escape(title)}</title><style>{STYLE}</style>{''.join(parts)}</svg>\n"
    )


# -- Faults -----------------------------------------------------------------------------------------------

BILLED: Final[Mapping[object, tuple[str, str]]] = {
    False: ("no", "certainly not billed"),
    True: ("yes", "billed, and what came is kept"),
    None: ("unknown", "nobody can know"),
}


def faults() -> None:
    """Write the table of the faults, and a cell for each trial."""
    found, day = result_of("faults.json", "proofs.faults", "--json", printed=True)
    trials: list[dict[str, Any]] = found["trials"]
    counts = found["summary"]
    write_picture("faults.svg", fault_cells(trials))
    kinds: dict[str, list[dict[str, Any]]] = {}
    for trial in trials:
        kinds.setdefault(trial["fault"].partition(":")[0], []).append(trial)
    rows = (
        (
            f"`{kind}`",
            len({trial["fault"] for trial in own}),
            len(own),
            ", ".join(f"`{name}`" for name in dict.fromkeys(trial["ended"] for trial in own)),
            ", ".join(f"`{billed}`" for billed in dict.fromkeys(trial["billed"] for trial in own)),
            max(trial["payments"] for trial in own),
        )
        for kind, own in kinds.items()
    )
    summary = (
        f"On {day}: {counts['trials']:,} trials of {counts['faults']} faults in {counts['ways']} ways to "
        f"call (sync, asyncio and trio; direct, TLS, proxies, other transports, mock tools). "
        f"{counts['calls paid twice']} calls were paid twice, {counts['foreign exceptions']} ended in an "
        f"exception of another library, {counts['billed=False for what the ledger billed']} said "
        f"`billed=False` of a call that was billed, and {counts['trials that deviate']} deviate."
    )
    head = ("kind of fault", "faults", "trials", "ends as", "`billed`", "paid at most")
    write_between_marks(DOCS / "proved/faults.md", "faults", f"{summary}\n\n{table(head, rows)}")


def fault_cells(trials: Sequence[Mapping[str, Any]]) -> str:
    """Draw a column for each fault, a row for each way to call, and the colour of what `billed` says."""
    columns = {name: at for at, name in enumerate(dict.fromkeys(trial["fault"] for trial in trials))}
    ways = {name: at for at, name in enumerate(dict.fromkeys(trial["way"] for trial in trials))}
    left, top, side = 140, 30, 4
    parts = [
        f'<text x="{left - 6}" y="{top + 12 * at + 10}" text-anchor="end">{way}</text>'
        for way, at in ways.items()
    ]
    kinds = {
        (trial["way"], columns[trial["fault"]]): "wrong"
        if trial["deviations"]
        else BILLED[trial["billed"]][0]
        for trial in trials
    }
    for way, row in ways.items():
        at = 0
        # Neighbours of one colour are one rectangle: thousands would be slow to show.
        for kind, cells in groupby(kinds.get((way, column)) for column in range(len(columns))):
            count = sum(1 for _ in cells)
            if kind:
                place = f'x="{left + side * at}" y="{top + 12 * row}" width="{side * count}" height="11"'
                parts.append(f'<rect class="{kind}" {place}/>')
            at += count
    x = left
    for kind, text in [*BILLED.values(), ("wrong", "not as it must be")]:
        parts.append(f'<rect class="{kind}" x="{x}" y="6" width="12" height="12"/>')
        parts.append(f'<text x="{x + 18}" y="16">{text}</text>')
        x += 40 + 7 * len(text)
    return svg(left + side * len(columns), top + 12 * len(ways), "Every fault in every way to call", parts)


# -- Mutants ----------------------------------------------------------------------------------------------

KINDS: Final = {
    "server": "contracts of the server changed",
    "behaviour": "behaviours of the server changed",
    "spec": "specs of the suite changed",
}


def mutation() -> None:
    """Write the score of the suite by kinds of mutants."""
    found, day = result_of("mutation.json", "proofs.mutation")
    names = [each["mutant"] for each in found["results"]]
    killed = {each["mutant"] for each in found["results"] if each["killed_by"]}
    rows = [
        (
            text,
            f"{len(own):,}",
            f"{len(killed.intersection(own)):,}",
            sum(name in found["equivalent"] for name in own),
            sum(name in found["survivors"] for name in own),
        )
        for kind, text in KINDS.items()
        for own in [[name for name in names if name.startswith(f"{kind}:")]]
    ]
    reasons: Counter[str] = Counter(found["equivalent"].values())
    summary = (
        f"On {day}: {found['mutants']:,} mutants, {found['killed']:,} found, {len(found['equivalent'])} "
        f"that change nothing, {len(found['survivors'])} not found. Score {found['percent']:.2f} %."
    )
    content = [
        summary,
        table(("mutants", "tried", "found", "change nothing", "not found"), rows),
        "Why the others change nothing:",
        "\n".join(f"- {count}: {reason}" for reason, count in reasons.most_common()),
    ]
    write_between_marks(DOCS / "proved/mutation.md", "mutants", "\n\n".join(content))


# -- Speed ------------------------------------------------------------------------------------------------


def speed() -> None:
    """Write the medians of the benchmarks, and their chart."""
    found, day = result_of("bench/bench.json", "proofs.bench")
    write_picture("speed.svg", (ROOT / "out/bench/bench.svg").read_text("utf-8"))
    shown = [each for each in found["figures"] if OURS in each["medians"]]
    names = [name for name in found["clients"] if any(name in each["medians"] for each in shown)]
    rows = (
        (
            each["name"],
            each["unit"],
            *(rounded(each["medians"].get(name)) for name in names),
        )
        for each in shown
    )
    versions = ", ".join(f"`{name}`" for name in dict.fromkeys(found["clients"].values()))
    summary = (
        f"On {day}, Python {found['python']}, {found['rounds']} rounds in turns, a server in "
        f"{found['server']} on loopback, on a machine of two cores that other work shared. "
        f"Clients: {versions}."
    )
    content = f"{summary}\n\n{table(('median', '', *names), rows)}"
    write_between_marks(DOCS / "proved/speed.md", "speed", content)


# -- The README's claims ----------------------------------------------------------------------------------


def claims() -> None:
    """Write three claims with their figures into the README."""
    trials, _ = result_of("faults.json", "proofs.faults", "--json", printed=True)
    mutants, _ = result_of("mutation.json", "proofs.mutation")
    bench, _ = result_of("bench/bench.json", "proofs.bench")
    figures = {each["name"]: each for each in bench["figures"]}
    rate = figures["async, 30 KB, 64 at once: rate"]["ratios"]
    memory = figures["16 MB picture in: memory"]["medians"]
    sample = next(value for name, value in memory.items() if name != OURS)
    counts = trials["summary"]
    unbilled = counts["billed=False for what the ledger billed"]
    items = f"""
        - **Nothing is paid twice, nothing paid for is lost.** {counts["faults"]} faults in {counts["ways"]}
        ways to call, {counts["trials"]:,} trials: {counts["calls paid twice"]} calls paid twice,
        and {unbilled} billed ones called unbilled ([faults](docs/proved/faults.md)). Five other SDKs, side by
        side: [paid calls](docs/paid-calls.md).
        - **The suite finds what is wrong with an API.** {mutants["mutants"]:,} changed servers and specs:
        {mutants["killed"]:,} found, {len(mutants["survivors"])} missed,
        {len(mutants["equivalent"])} that change nothing ([mutants](docs/proved/mutation.md)).
        - **It adds little.** With 64 calls at once, {rate["httpx"]["median"]:.1f} times the rate of httpx and
        {rate["segmind"]["median"]:.1f} times that of the official SDK; a picture of 16 MB is sent with
        {memory[OURS]:.1f} MB of memory, not {sample:.0f} ([speed](docs/proved/speed.md)).
    """.split("- **")[1:]
    wrap = partial(textwrap.fill, width=110, subsequent_indent="  ", break_on_hyphens=False)
    text = "\n".join(wrap("- **" + " ".join(each.split())) for each in items)
    write_between_marks(ROOT / "README.md", "claims", text)


def rounded(value: float | None) -> str:
    return "" if value is None else f"{value:,.0f}" if value >= 100 else f"{value:.3g}"


# -- The grid of bounds -----------------------------------------------------------------------------------

SIDES: Final = ("min-1", "min", "min+1", "max-1", "max", "max+1")
VERDICTS: Final = {"held": "no", "broken": "wrong", "known deviation": "unknown", "open": "none"}


def grid() -> None:
    """Draw the bounds of turbo, each from both sides, as a run on the reference server finds them."""
    with TemporaryDirectory() as folder:
        out = f"{folder}/tried"
        CliRunner().invoke(
            conformance, ["--tier", "boundary", "--only", "sd35_turbo_txt2img::*", "--out", out]
        )
        with open(f"{out}/report.json", encoding="utf-8") as file:  # noqa: PTH123 - a text of click's
            outcomes = json.load(file)["outcomes"]
    cells = {(each["group"], each["place"]): each["verdict"] for each in outcomes if each["place"] in SIDES}
    groups = list(dict.fromkeys(group for group, _ in cells))
    left, top, wide, high = 130, 30, 76, 26
    parts = [
        f'<text x="{left + wide * at + wide // 2}" y="18" text-anchor="middle">{side}</text>'
        for at, side in enumerate(SIDES)
    ]
    for row, group in enumerate(groups):
        y = top + high * row
        parts.append(f'<text x="{left - 8}" y="{y + 16}" text-anchor="end">{group}</text>')
        for column, side in enumerate(SIDES):
            verdict = cells.get((group, side))
            kind = VERDICTS.get(verdict or "open", "none")
            x = left + wide * column
            parts.append(
                f'<rect class="{kind}" x="{x}" y="{y}" width="{wide - 4}" height="{high - 4}" rx="3"/>'
            )
            if verdict:
                text = f'<tspan fill="#fff">{verdict}</tspan>' if kind != "none" else verdict
                parts.append(
                    f'<text x="{x + (wide - 4) // 2}" y="{y + 15}" text-anchor="middle">{text}</text>'
                )
    write_picture(
        "grid.svg", svg(left + wide * len(SIDES), top + high * len(groups), "The bounds of turbo", parts)
    )
