"""Show the figures: a table, JSON, and a chart."""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING, Any, Final

from rich.table import Table

from proofs.bench.peers import OURS, PEERS

if TYPE_CHECKING:
    from collections.abc import Sequence

    from proofs.bench.figures import Figure

CHARTED: Final = (
    "sync, 30 KB: p50",
    "sync, 300 KB: p50",
    "async, 30 KB, 64 at once: rate",
    "async, 300 KB, 64 at once: rate",
    "import, first call made",
    "16 MB picture in: p50",
)


def tables(figures: Sequence[Figure], title: str) -> list[Table]:
    """Return a table of the medians, and one of the ratios that have a limit."""
    names = [name for name in PEERS if any(figure.rounds.get(name) for figure in figures)]
    medians = Table("", "", *names, title=f"{title}: medians, and in brackets ours as a multiple")
    limits = Table("ours as a multiple of", "", "median", "lowest to highest", "limit", "")
    for figure in figures:
        cells = [_cell(figure, name) for name in names]
        medians.add_row(figure.name, figure.unit, *cells)
        for name in figure.others():
            if limit := figure.limit(name):
                ratio, ratios = figure.ratio(name), figure.ratios(name)
                fails = not limit.allows(ratio)
                limits.add_row(
                    figure.name,
                    name,
                    f"{ratio:.3f}",
                    f"{min(ratios):.3f} to {max(ratios):.3f}",
                    str(limit),
                    "fails" if fails else "ok",
                    style="red" if fails else None,
                )
    return [medians, limits]


def _cell(figure: Figure, name: str) -> str:
    if not figure.rounds.get(name):
        return ""
    value = figure.value(name)
    text = f"{value:,.0f}" if value >= 100 else f"{value:.3g}"
    return text if name == OURS else f"{text} ({figure.ratio(name):.2f})"


def as_json(figures: Sequence[Figure], about: dict[str, Any]) -> dict[str, Any]:
    return {**about, "figures": [figure.as_json() for figure in figures]}


# -- The chart --------------------------------------------------------------------------------------------

WIDTH: Final = 720
LEFT: Final = 150
BAR: Final = 16
LINE: Final = 22
STYLE: Final = (
    "text{font:13px system-ui,sans-serif;fill:#333}.title{font-weight:600}"
    "rect{fill:#b8c4d6}.ours{fill:#1f5fbf}"
    "@media(prefers-color-scheme:dark){text{fill:#ddd}rect{fill:#55606f}.ours{fill:#6ea8ff}}"
)


def chart(figures: Sequence[Figure]) -> str:
    """Draw bars of some figures as SVG. The length of a bar is its value, and the best comes first."""
    parts: list[str] = []
    y = 0
    for figure in (each for each in figures if each.name in CHARTED):
        better = "more is better" if figure.more_is_better else "less is better"
        y += LINE + LINE // 2
        parts.append(f'<text class="title" x="0" y="{y}">{escape(figure.name)} ({better})</text>')
        values = {name: figure.value(name) for name in PEERS if figure.rounds.get(name)}
        for name in sorted(values, key=lambda each: values[each], reverse=figure.more_is_better):
            y += LINE
            long = max(1, round((WIDTH - LEFT - 100) * values[name] / max(values.values())))
            kind = ' class="ours"' if name == OURS else ""
            parts.append(
                f'<text x="{LEFT - 8}" y="{y}" text-anchor="end">{escape(name.partition(",")[0])}</text>'
                f'<rect{kind} x="{LEFT}" y="{y - BAR + 3}" width="{long}" height="{BAR}" rx="2"/>'
                f'<text x="{LEFT + long + 6}" y="{y}">{values[name]:,.4g} {escape(figure.unit)}</text>'
            )
    height = y + LINE
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" role="img">'
        f"<title>segmind_sd3 beside other clients</title><style>{STYLE}</style>{''.join(parts)}</svg>\n"
    )
