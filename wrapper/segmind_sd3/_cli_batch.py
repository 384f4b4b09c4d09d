"""`segmind-sd3 batch`: send many jobs, see how they stand, send again what failed, look at the pictures."""

from __future__ import annotations

import json
import shutil
import sys
import tempfile
import time
from contextlib import closing, nullcontext, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click

from ._cli_options import CALL_OPTIONS, Options, parse_extra
from ._cli_output import echo, warn
from ._cli_run import Call
from ._cli_signals import SIGNALS
from ._errors import InvalidRequest

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from contextlib import AbstractContextManager

    from ._batch.batch import Batch
    from ._batch.journal import Journal
    from ._batch.reading import Reader
    from ._client import Client

MOST_SHOWN: Final = 20
"""How many wrong jobs are printed; all of them are counted."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BatchOptions(Options):
    """What was given to `batch run`."""

    jobs: str | None
    endpoint: str | None
    # It may hold a password.
    journal: str | None = field(repr=False)
    common: Mapping[str, object]
    vary: Mapping[str, Sequence[object]]
    at_once: int
    budget: float | None
    limit: int | None
    per_minute: float | None
    retry_failed: bool
    retry_unknown: bool

    def for_client(self) -> dict[str, Any]:
        return {**Options.for_client(self), "max_connections": max(self.at_once, 1)}


def parse_vary(_context: object, _option: object, pairs: tuple[str, ...]) -> dict[str, list[object]]:
    """Parse `NAME=VALUES`: a range such as `1..100`, or values with commas between, as `parse_extra` does."""
    varied: dict[str, list[object]] = {}
    for pair in pairs:
        name, _, text = pair.partition("=")
        first, dots, last = text.partition("..")
        if dots and first.lstrip("-").isdigit() and last.lstrip("-").isdigit():
            varied[name] = list(range(int(first), int(last) + 1))
        else:
            varied[name] = [parse_extra(None, None, (f"{name}={value}",))[name] for value in text.split(",")]
        if not (name and text and varied[name]):
            raise click.BadParameter(
                f"{pair!r} is not of the form NAME=VALUES, such as seed=1..100 or steps=10,20,40"
            )
    return varied


@dataclass(slots=True, kw_only=True)
class BatchCall(Call):
    """`batch run`."""

    asked: BatchOptions

    def _call(self) -> int:
        _need_sqlalchemy()
        reader = self._reader()
        if self.asked.dry_run:
            return self._estimate(reader)
        with self._client() as client:
            batch = self._batch(client)
            SIGNALS.carry_out(lambda: self._send(batch), lambda: self._finish(batch), client.close)
        summary = batch.summary
        if self.options.as_json:
            echo(json.dumps({"summary": summary.to_dict()}))
        else:
            for problem in summary.problems[:MOST_SHOWN]:
                warn(str(problem))
            echo(_standing(summary.counts, summary.spent, summary.uncertain))
            if summary.wrong:
                echo(f"{summary.wrong} jobs are wrong and were not taken.", err=True)
            if summary.stopped:
                why = SIGNALS.word if SIGNALS.number else f"Stopped: {summary.stopped}."
                echo(f"{why} The same command goes on.", err=True)
        if SIGNALS.settle():
            return SIGNALS.exit_code
        left = sum(count for state, count in summary.counts.items() if state != "done")
        return 1 if left or summary.wrong else 0

    def _reader(self) -> Reader:
        from ._batch.reading import Reader  # noqa: PLC0415 - only this command needs it

        options = self.asked
        if options.jobs is None and not options.vary and not options.common:
            raise InvalidRequest("there are no jobs: name a file, or give --set and --vary")
        nothing: dict[str, Any] = {}
        source = options.jobs or [nothing]
        if isinstance(source, str) and not Path(source).is_file():
            raise InvalidRequest(f"there is no file {source}")
        return Reader(
            source,
            options.endpoint,
            common=options.common,
            vary=options.vary,
            priced=options.budget is not None,
        )

    def _batch(self, client: Client) -> Batch:
        options = self.asked
        return client.batch(
            self._reader(),  # pyright: ignore[reportArgumentType] - it yields jobs that are checked
            out=options.out,
            journal=options.journal,
            at_once=options.at_once,
            budget=options.budget,
            limit=options.limit,
            per_minute=options.per_minute,
            retry_failed=options.retry_failed,
            retry_unknown=options.retry_unknown,
        )

    def _send(self, batch: Batch) -> None:
        with batch, self._progress(batch) as show:
            self.billed = None  # an error that ends the batch does not tell it
            for outcome in batch:
                if self.options.as_json:
                    echo(json.dumps(outcome.to_dict()))
                elif outcome.state != "done":
                    echo(f"{outcome.id} {outcome.state}: {outcome.message}", err=True)
                show()

    def _finish(self, batch: Batch) -> None:
        batch.stop()
        with suppress(OSError):  # a terminal that was closed
            echo(f"{SIGNALS.word} What is under way is finished; Ctrl-C stops it too.", err=True)

    def _progress(self, batch: Batch) -> AbstractContextManager[Callable[[], object]]:
        if self.options.as_json or self.options.verbose or not sys.stderr.isatty():
            return nullcontext(lambda: None)
        return _Bar(batch, self.asked.budget, color=self._color)

    def _estimate(self, reader: Reader) -> int:
        """Print what the jobs come to, and send nothing."""
        from ._batch.databases import parse_journal  # noqa: PLC0415 - takes long, and only this command needs it
        from ._batch.journal import Journal  # noqa: PLC0415 - as above
        from ._batch.run import Plan, Run  # noqa: PLC0415 - as above
        from ._batch.values import usd  # noqa: PLC0415 - as above

        place = parse_journal(self.asked.journal, Path(self.options.out))
        with tempfile.TemporaryDirectory() as folder:
            # A copy says what is done already; the journal itself stays as it is.
            if isinstance(place, Path):
                for file in place.glob("journal.db*"):
                    shutil.copy(file, folder)
            run = Run(Plan(Path(folder), self.asked.at_once))
            with closing(run.journal):
                if not isinstance(place, Path):
                    with suppress(FileNotFoundError), closing(Journal(place, must_exist=True)) as journal:
                        run.journal.copy_from(journal)
                run.add_rest(iter(reader))
                waiting = run.journal.totals().counts.get("waiting", 0)
                price = float(usd(run.journal.waiting_price()))
        rate = self.asked.per_minute
        minutes = waiting / rate if rate else None
        if self.options.as_json:
            problems = [str(problem) for problem in run.problems]
            echo(
                json.dumps({"jobs": waiting, "worst_price": price, "minutes": minutes, "problems": problems})
            )
        else:
            for problem in run.problems[:MOST_SHOWN]:
                warn(str(problem))
            time_needed = (
                f"{minutes:.1f} minutes at {rate:g} a minute"
                if minutes is not None
                else "--per-minute says how long"
            )
            echo(f"{waiting} jobs to send, ${price:.4f} at the worst (an estimate), {time_needed}.")
            if run.wrong:
                echo(f"{run.wrong} jobs are wrong.", err=True)
        return 2 if run.wrong else 0


def _need_sqlalchemy() -> None:
    try:
        import sqlalchemy  # noqa: F401, PLC0415 # pyright: ignore[reportUnusedImport] - only to see whether it is there
    except ModuleNotFoundError as missing:
        raise InvalidRequest("batch needs SQLAlchemy: pip install 'segmind-sd3[batch]'") from missing


def _standing(counts: Mapping[str, int], spent: float, uncertain: float) -> str:
    jobs = ", ".join(f"{count} {state}" for state, count in counts.items()) or "no jobs"
    return f"{jobs}; ${spent:.4f} spent" + (
        f", up to ${uncertain:.4f} more may have been billed" if uncertain else ""
    )


class _Bar:
    """A progress bar on stderr: done, failed, pictures a minute, spent, left, and the time to go."""

    def __init__(self, batch: Batch, budget: float | None, *, color: bool | None) -> None:
        from rich.console import Console  # noqa: PLC0415 - takes 50 ms, and only a terminal needs it
        from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn  # noqa: PLC0415 - as above

        self._batch, self._budget = batch, budget
        console = Console(stderr=True, no_color=None if color is None else not color)
        columns = (BarColumn(), MofNCompleteColumn(), TextColumn("{task.description}"), TimeRemainingColumn())
        self._progress = Progress(*columns, console=console, transient=True)
        self._begun = self._shown = time.monotonic()

    def __enter__(self) -> Callable[[], object]:
        self._before = self._batch.summary.counts.get("done", 0)
        self._task = self._progress.add_task("", total=None)
        self._progress.start()
        self._show()
        return self._show_sometimes

    def __exit__(self, *_: object) -> None:
        with suppress(OSError):  # a terminal that was closed meanwhile
            self._progress.stop()

    def _show_sometimes(self) -> None:
        if time.monotonic() - self._shown > 0.5:
            self._show()

    def _show(self) -> None:
        self._shown = time.monotonic()
        summary = self._batch.summary
        done, failed = summary.counts.get("done", 0), summary.counts.get("failed", 0)
        ended = done + failed + summary.counts.get("unknown", 0)
        rate = 60 * (done - self._before) / max(self._shown - self._begun, 1)
        left = (
            f", ${self._budget - summary.spent - summary.uncertain:.2f} left"
            if self._budget is not None
            else ""
        )
        text = f"{failed} failed, {rate:.0f} a minute, ${summary.spent:.2f} spent{left}"
        total = sum(summary.counts.values())
        self._progress.update(self._task, completed=ended, total=total, description=text)


_JOURNAL_HELP: Final = (
    "Where the journal is, if not beside the pictures: a folder, or postgresql://USER@HOST/DATABASE, where "
    "several runs may work at once. ?batch=NAME names one of several batches."
)


# -- The commands -----------------------------------------------------------------------------------------


@click.group()
def batch() -> None:
    """Send many jobs, each once, and keep a journal of them beside their pictures."""


def _run(**values: Any) -> None:
    options = BatchOptions(**values)
    sys.exit(BatchCall(name="batch", options=options, asked=options).run())


batch.add_command(
    click.Command(
        "run",
        callback=_run,
        help="Send the jobs of a JSONL or CSV file, or of a grid. The same command again does what is left.",
        params=[
            click.Argument(["jobs"], required=False, type=click.Path()),
            click.Option(["--endpoint"], metavar="NAME", help="The endpoint of jobs that name none."),
            click.Option(
                ["--out"], type=click.Path(), required=True, help="The folder for pictures and journal."
            ),
            click.Option(["--journal"], metavar="PLACE", help=_JOURNAL_HELP),
            click.Option(
                ["--set", "common"],
                multiple=True,
                metavar="NAME=VALUE",
                callback=parse_extra,
                help="A parameter of every job that has none of its own. May be repeated.",
            ),
            click.Option(
                ["--vary"],
                multiple=True,
                metavar="NAME=VALUES",
                callback=parse_vary,
                help="Make each job once for each value: seed=1..100, or steps=10,20. May be repeated.",
            ),
            click.Option(["--at-once"], type=int, default=8, show_default=True, help="Calls under way."),
            click.Option(["--per-minute"], type=float, help="How many calls may begin in a minute."),
            click.Option(
                ["--budget"], type=float, metavar="USD", help="What all runs of the journal may spend."
            ),
            click.Option(["--limit"], type=int, help="How many jobs this run sends at most."),
            click.Option(
                ["--dry-run"], is_flag=True, help="Print number, worst price and time; send nothing."
            ),
            click.Option(["--retry-failed"], is_flag=True, help="Send again what failed and was not billed."),
            click.Option(
                ["--retry-unknown"],
                is_flag=True,
                help="Send again what may have been billed: it may be paid twice.",
            ),
            *CALL_OPTIONS,
        ],
    )
)

_FOLDER: Final = click.argument("folder", type=click.Path(exists=True, file_okay=False, path_type=Path))


_JOURNAL: Final = click.option("--journal", "place", metavar="PLACE", help=_JOURNAL_HELP)


def _journal_of(folder: Path, place: str | None) -> Journal:
    try:
        _need_sqlalchemy()
    except InvalidRequest as missing:
        raise click.UsageError(str(missing)) from missing
    from ._batch.databases import parse_journal  # noqa: PLC0415 - as above
    from ._batch.journal import Journal  # noqa: PLC0415 - takes long, and only a batch needs it

    try:
        return Journal(parse_journal(place, folder), must_exist=True)
    except FileNotFoundError as none:
        begin = f"`batch run --out {folder}{' --journal …' if place else ''}` begins one"
        raise click.UsageError(f"{none.filename if place else folder} holds no journal: {begin}") from none
    except (OSError, InvalidRequest) as error:
        raise click.ClickException(str(error)) from error


@batch.command()
@_FOLDER
@_JOURNAL
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def status(folder: Path, place: str | None, as_json: bool) -> None:  # noqa: FBT001 - click's own way
    """Show how the jobs of a folder stand: counts, cost, time, pictures a minute, failures by kind."""
    from ._batch.values import usd  # noqa: PLC0415 - as above

    with closing(_journal_of(folder, place)) as journal:
        totals, failures = journal.totals(), journal.failures()
        pictures, seconds = journal.work_done()
    rate = 60 * pictures / seconds if seconds else None
    spent, uncertain = float(usd(totals.spent)), float(usd(totals.reserved))
    if as_json:
        counts = {"counts": dict(totals.counts), "spent": spent, "uncertain": uncertain, "failures": failures}
        echo(json.dumps({**counts, "pictures": pictures, "seconds": seconds, "per_minute": rate}))
        return
    echo(_standing(totals.counts, spent, uncertain))
    if rate is not None:
        echo(f"{pictures} pictures in {seconds:.1f} s of sending, {rate:.0f} a minute")
    for kind, count in sorted(failures.items()):
        echo(f"  {count} {kind}")


@batch.command()
@_FOLDER
@_JOURNAL
@click.option("--failed", is_flag=True, help="What failed and was not billed.")
@click.option("--unknown", is_flag=True, help="What may have been billed: it may be paid twice.")
@click.option("--billed", is_flag=True, help="What was billed and gave no picture: it is paid twice.")
def retry(folder: Path, place: str | None, *, failed: bool, unknown: bool, billed: bool) -> None:
    """Let jobs wait again; `batch run` sends them."""
    if not (failed or unknown or billed):
        raise click.UsageError("say which jobs: --failed, --unknown or --billed")
    with closing(_journal_of(folder, place)) as journal:
        try:
            with journal.running():
                count = journal.retry(failed=failed, unknown=unknown, billed=billed)
        except InvalidRequest as refused:
            raise click.UsageError(str(refused)) from refused
    echo(f"{count} jobs wait again: `batch run` sends them.")


@batch.command()
@_FOLDER
@_JOURNAL
@click.option("--format", "kind", type=click.Choice(["jsonl", "parquet"]), default="jsonl", show_default=True)
@click.option("--out", type=click.Path(path_type=Path), help="The file; else jobs-done.jsonl in the folder.")
def export(folder: Path, place: str | None, kind: str, out: Path | None) -> None:
    """Write each job with its files, seed, cost and request id: a line of JSON each, or a row of Parquet."""
    from ._batch import report  # noqa: PLC0415 - as above

    target = out or folder / f"jobs-done.{kind}"
    write = report.export_parquet if kind == "parquet" else report.export_jsonl
    with closing(_journal_of(folder, place)) as journal:
        try:
            count = write(journal, target)
        except InvalidRequest as missing:
            raise click.UsageError(str(missing)) from missing
        except OSError as failed:
            raise click.ClickException(f"{target} can't be written: {failed.strerror}") from failed
    echo(f"{count} jobs are in {target}.")


@batch.command()
@_FOLDER
@_JOURNAL
def sheet(folder: Path, place: str | None) -> None:
    """Write a contact sheet, and an HTML page to look through, into the folder `sheet`."""
    from ._batch.report import write_page, write_sheets  # noqa: PLC0415 - as above

    with closing(_journal_of(folder, place)) as journal:
        page = folder / "sheet" / "index.html"  # no job's picture can be there
        page.parent.mkdir(exist_ok=True)
        count = write_page(journal, page)
        try:
            sheets = write_sheets(journal, page.with_name("sheet.jpg"))
        except InvalidRequest as missing:
            raise click.UsageError(str(missing)) from missing
    echo(f"{count} pictures are in {', '.join(map(str, [page, *sheets]))}.")
