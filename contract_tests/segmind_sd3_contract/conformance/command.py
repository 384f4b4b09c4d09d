"""`segmind-sd3 conformance`: the whole contract, tried on a running API, within a budget, and told."""

from __future__ import annotations

import json
import secrets
import signal
import sqlite3
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click
from click.core import ParameterSource
from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeRemainingColumn
from rich.progress import Progress as Bar
from rich.table import Table

from segmind_sd3_contract.conformance import report
from segmind_sd3_contract.conformance.credits import usd
from segmind_sd3_contract.conformance.prices import Prices
from segmind_sd3_contract.conformance.recording import keep
from segmind_sd3_contract.conformance.results import TIERS, Outcome, Run, Tier
from segmind_sd3_contract.conformance.sending import Pace
from segmind_sd3_contract.conformance.session import CouldNotRun, Session, Settings, begun_with
from segmind_sd3_contract.conformance.target import Target, header, is_local, keys, origin
from segmind_sd3_contract.reference import MADE_UP_KEY, PROFILES, Profile, ReferenceServer
from segmind_sd3_contract.terminal import Console, Failed

if TYPE_CHECKING:
    from collections.abc import Callable, Generator

    from segmind_sd3_contract.conformance.running import Plan

FREE_PLAN: Final = 5.0
"""Calls a minute that the service lets through on its free plan."""

MADE_UP_PENNILESS: Final = "SG_00000000000000ff"
REFERENCE_CREDITS: Final = 10_000.0


class CouldNotTry(Failed):
    """Nothing could be tried."""

    exit_code = 2


@click.command()
@click.option(
    "--target", default="reference", show_default=True, metavar="reference|URL", help="What to try."
)
@click.option(
    "--profile",
    type=click.Choice(PROFILES),
    default="observed",
    show_default=True,
    help="Of the reference server.",
)
@click.option(
    "--tier",
    type=click.Choice(TIERS),
    help="How much to try: all (thorough) on the reference server, smoke elsewhere.",
)
@click.option(
    "--seed",
    type=click.IntRange(0, 1_000_000),
    default=0,
    show_default=True,
    help="Other pictures in each run.",
)
@click.option("--only", default="*", metavar="GLOB", help="Only cases with such an id: '*::steps::*'.")
@click.option("--strict", is_flag=True, help="A known deviation is broken.")
@click.option(
    "--baseline",
    type=click.Path(path_type=Path, dir_okay=False),
    metavar="FILE",
    help="A report.json: fail on what changed since.",
)
@click.option(
    "--budget",
    type=click.FloatRange(min=0),
    metavar="CREDITS",
    help="A hard stop, in USD; else the plan's worst price.",
)
@click.option(
    "--prices",
    "price_list",
    type=click.Path(path_type=Path, dir_okay=False),
    metavar="FILE",
    help="Another price list.",
)
@click.option(
    "--rate",
    type=click.FloatRange(min=0, min_open=True),
    metavar="N",
    help="Calls a minute: 5 unless given, as fast as they go on loopback.",
)
@click.option("--shared-account", is_flag=True, help="Others use the balance: don't judge its fall.")
@click.option("--yes", is_flag=True, help="Send without asking.")
@click.option("--dry-run", is_flag=True, help="Show the plan and its price, and send nothing.")
@click.option(
    "--out",
    type=click.Path(path_type=Path, file_okay=False),
    metavar="FOLDER",
    help="Where the report goes: a new folder in out/ unless given.",
)
@click.option(
    "--resume",
    type=click.Path(path_type=Path, file_okay=False, exists=True),
    metavar="FOLDER",
    help="Go on with an interrupted run and its options; give --header and --proxy again.",
)
@click.option(
    "--replay",
    type=click.Path(path_type=Path, dir_okay=False),
    metavar="FILE",
    help="A report.json or report.har: send the calls of its broken cases again, and nothing else.",
)
@click.option(
    "--record",
    type=click.Path(path_type=Path, file_okay=False),
    metavar="FOLDER",
    help="Keep each exchange as a cassette.",
)
@click.option(
    "--ca",
    type=click.Path(path_type=Path, dir_okay=False, exists=True),
    metavar="FILE",
    help="Authorities to trust beside the system's.",
)
@click.option(
    "--header",
    "extra_headers",
    multiple=True,
    metavar="NAME:VALUE",
    help="Sent with every call; may be repeated.",
)
@click.option("--proxy", metavar="URL", help="A proxy to go through.")
@click.option(
    "--allow-http", is_flag=True, help="Plain http to a host that is not loopback: the key goes in the clear."
)
@click.option("--json", "as_json", is_flag=True, help="Print the counts as JSON, for scripts.")
def conformance(**given: Any) -> None:
    """Try the whole contract on a running API, and tell what it keeps.

    Exit code: 0 all that was asked for was tried and nothing is broken; 1 something is broken (with
    --baseline: changed); 2 it could not run: the key was refused, no case was chosen, nobody said yes; 3 it
    is incomplete, whatever is broken. The key is read from SEGMIND_API_KEY; SEGMIND_API_KEY_WITHOUT_CREDITS
    may hold a second one, of an account without credits.
    """
    try:
        recorded = None
        if given["resume"]:
            _as_it_was_begun(given)
        if given["replay"]:
            recorded = _as_it_was_recorded(given)
        options = Options(**given)
        found, folder = _found(options, recorded)
    except (CouldNotRun, OSError, ValueError, sqlite3.Error) as wrong:
        raise CouldNotTry(str(wrong)) from None
    if found is None:
        return
    console = _console()
    written = report.write(found, folder)
    if options.record:
        for exchange in found.exchanges.values():
            target_name = "live" if exchange.live else "reference" if found.reference else found.target
            keep(
                exchange,
                case=exchange.call,
                target=target_name,
                folder=options.record,
                profile=options.profile if options.is_reference else None,
            )
    report.summary(found, console)
    if recorded:
        verdicts = {outcome.id: outcome.verdict for outcome in found.outcomes}
        for name in recorded.failures:
            console.print(f"{name} was broken, and is {verdicts.get(name, 'not tried')}.")
    console.print("The report: " + ", ".join(map(str, written)))
    if options.as_json:
        click.echo(json.dumps(_counted(found)))
    click.get_current_context().exit(found.exit_code)


@dataclass(frozen=True, kw_only=True)
class Options:
    """What the command was given. A run that is resumed has those that it was begun with."""

    target: str
    profile: Profile
    tier: Tier | None
    seed: int
    only: str
    strict: bool
    baseline: Path | None
    budget: float | None
    price_list: Path | None
    rate: float | None
    shared_account: bool
    yes: bool
    dry_run: bool
    out: Path | None
    resume: Path | None
    replay: Path | None
    record: Path | None
    ca: Path | None
    extra_headers: tuple[str, ...]
    proxy: str | None
    allow_http: bool
    as_json: bool

    @property
    def is_reference(self) -> bool:
        return self.target == "reference"

    def kept(self) -> dict[str, Any]:
        """Return what a journal keeps beside the settings of the run."""
        values = {name: getattr(self, name) for name in (*KEPT, *KEPT_PATHS)}
        return {
            name: str(each.absolute()) if isinstance(each, Path) else each for name, each in values.items()
        }


KEPT: Final = ("budget", "rate", "allow_http")
KEPT_PATHS: Final = ("price_list", "ca", "baseline", "record", "replay")
SETTINGS: Final = ("target", "profile", "tier", "seed", "only", "strict", "shared_account")


RECORDED: Final = ("profile", "tier", "seed", "strict")


def _as_it_was_begun(given: dict[str, Any]) -> None:
    """Take what is not given now as it was when the run was begun that goes on."""
    if given["out"] or given["replay"]:
        raise CouldNotTry("--resume goes on with its own cases in its own folder: leave out --out, --replay.")
    begun = begun_with(given["resume"])
    for name in (*SETTINGS, *KEPT, *KEPT_PATHS):
        if _is_left_out(name) and begun.get(name) is not None:
            given[name] = Path(begun[name]) if name in KEPT_PATHS else begun[name]


def _as_it_was_recorded(given: dict[str, Any]) -> report.Recorded:
    """Take what is not given as it was in the run whose failures are sent again, all but the target."""
    recorded = report.read(given["replay"])
    if not given["resume"]:
        given |= {name: getattr(recorded, name) for name in RECORDED if _is_left_out(name)}
        if _is_left_out("target") and recorded.target != given["target"]:
            raise CouldNotTry(
                f"{given['replay']} was recorded from {recorded.target}. A file does not decide who gets the "
                f"key: say --target {recorded.target}, or where else the calls are to go."
            )
    return recorded


def _is_left_out(name: str) -> bool:
    return click.get_current_context().get_parameter_source(name) is ParameterSource.DEFAULT


def _console() -> Console:
    return Console(stderr=True, highlight=False, soft_wrap=True)


def _found(options: Options, recorded: report.Recorded | None) -> tuple[Run | None, Path]:
    """Show the plan, ask, and try it; return what was found, and the folder for it. A dry run finds None."""
    console = _console()
    earlier = report.read(options.baseline).verdicts if options.baseline else None
    prices = Prices.read(options.price_list)
    reached = (
        Target("reference", MADE_UP_KEY, MADE_UP_PENNILESS)
        if options.is_reference
        else Target(
            origin(options.target, allow_http=options.allow_http),
            *keys(),
            dict(map(header, options.extra_headers)),
            options.proxy,
            options.ca,
        )
    )
    settings = Settings(
        target=reached.url,
        profile=options.profile,
        tier=options.tier or ("thorough" if options.is_reference else "smoke"),
        seed=options.seed,
        strict=options.strict,
        only=options.only,
        shared_account=options.shared_account,
        way=(*(f"--header {name}" for name in reached.headers), *(["--proxy"] if reached.proxy else [])),
    )
    pace = Pace(options.rate or (None if options.is_reference or is_local(reached.url) else FREE_PLAN))
    folder = (
        options.resume or options.out or Path("out") / f"conformance-{datetime.now(UTC):%Y%m%d-%H%M%S-%f}"
    )
    with ExitStack() as stack:
        if options.is_reference:
            server = ReferenceServer(
                options.profile,
                REFERENCE_CREDITS,
                keys=[MADE_UP_KEY],
                penniless=[MADE_UP_PENNILESS],
                # Another in each process: a run that is resumed must not see the request ids of before again.
                seed=secrets.randbits(32),
            )
            reached = replace(reached, url=stack.enter_context(server.listening()))
        session = stack.enter_context(
            Session(
                reached,
                settings,
                prices,
                folder=None if options.dry_run else folder,
                resumed=bool(options.resume),
                budget=options.budget,
                others=options.kept(),
                failures=recorded and recorded.failures,
                a_minute=pace.a_minute,
            )
        )
        _show_plan(session, pace, console)
        if options.dry_run:
            return None, folder
        if not (options.yes or options.is_reference) and session.price:
            _ask(f"Send these calls to {reached.url}?")
        with _watched(session, console) as tell, _interruptible(session):
            return session.run(pace, tell, earlier), folder


def _ask(question: str) -> None:
    try:
        agreed = click.confirm(question, err=True)
    except click.Abort:  # nobody is there to answer
        agreed = False
    if not agreed:
        raise CouldNotTry("Nothing was sent, since nobody said yes. --yes sends without asking.")


def _counted(found: Run) -> dict[str, Any]:
    return {
        "target": found.target,
        "reference": found.reference,
        "verdicts": found.counts(),
        "broken": [outcome.id for outcome in found.outcomes if outcome.verdict == "broken"],
        "requests": len(found.exchanges),
        "spent": found.spent,
        "stopped": found.stopped,
        "exit_code": found.exit_code,
    }


def _show_plan(session: Session, pace: Pace, console: Console) -> None:
    plan = session.plan
    paid = [name for name in plan.calls() if plan.worst[name] and not session.journal.has(name)]
    table = Table(box=None, padding=(0, 2, 0, 0), pad_edge=False)
    for name in ("endpoint", "cases", "calls", "may be paid", "worst price"):
        table.add_column(name, justify="left" if name == "endpoint" else "right")
    for operation, (cases, calls, may_cost, price) in _by_endpoint(plan).items():
        table.add_row(operation, str(cases), str(calls), str(may_cost), f"{price:.4f}")
    console.print(f"{session.settings.target}, tier {session.settings.tier}:")
    console.print(table)
    minutes = len(plan.calls()) / pace.a_minute if pace.a_minute else 0
    console.print(
        f"{len(plan.cases)} cases by {len(plan.calls())} calls, {len(paid)} of which may still be paid for: "
        f"at the worst {usd(session.price)} credits (USD), an ESTIMATE from listed averages; "
        f"hard stop at {usd(session.budget)}."
        + (f" At {pace.a_minute:g} a minute they take {minutes:.0f} minutes." if minutes else "")
    )
    if plan.left_out:
        console.print(f"{len(plan.left_out)} cases are left out; the report says why.")


def _by_endpoint(plan: Plan) -> dict[str, tuple[int, int, int, float]]:
    found: dict[str, tuple[int, int, int, float]] = {}
    for operation in dict.fromkeys(case.operation for case in plan.cases):
        cases = [case for case in plan.cases if case.operation == operation]
        calls = {call.name for case in cases for call in case.calls}
        prices = [plan.worst[name] for name in calls]
        found[operation] = (len(cases), len(calls), sum(map(bool, prices)), sum(prices))
    return found


@contextmanager
def _watched(session: Session, console: Console) -> Generator[Callable[[Outcome], None]]:
    """Show a bar of cases, failures and credits while a run goes on."""
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.fields[broken]} broken, {task.fields[spent]:.4f} credits"),
        TimeRemainingColumn(),
    )
    with Bar(*columns, console=console, transient=True) as bar:
        task = bar.add_task("Trying", total=len(session.plan.cases), broken=0, spent=0.0)
        broken = 0

        def tell(outcome: Outcome) -> None:
            nonlocal broken
            broken += outcome.verdict == "broken"
            bar.update(task, advance=1, broken=broken, spent=session.journal.spent())

        yield tell


@contextmanager
def _interruptible(session: Session) -> Generator[None]:
    """Let the first Ctrl-C end the run after the call that is on its way, which may be paid for."""

    def stop(number: int, _: object) -> None:
        session.progress.stopped = session.progress.stopped or "it was interrupted"
        signal.signal(number, signal.default_int_handler)

    before = {number: signal.signal(number, stop) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
