"""The count of the SDK's code lines, and its comparison with the goal."""

from pathlib import Path

import pytest
from proofs.code_lines import GOAL, PACKAGE, code_lines, count, main

SOURCES = {
    "a statement": ("x = 1\n", 1),
    "a statement of three lines": ("x = [\n    1,\n]\n", 3),
    "a blank line": ("x = 1\n\n    \ny = 2\n", 2),
    "a comment of its own": ("# why\nx = 1\n", 1),
    "a comment inside a statement": ("x = [\n    # why\n    1,\n]\n", 3),
    "a comment behind a statement": ("x = 1  # why\n", 1),
    "the docstring of a module": ('"""What it is.\n\nMore.\n"""\nx = 1\n', 1),
    "the docstring of a function": (
        'def f():\n    """Do it.\n\n    # No comment.\n    """\n    return 1\n',
        2,
    ),
    "the docstring of a constant": ('x = 1\n"""What it is."""\n', 1),
    "a docstring in two pieces": ("'one ' \\\n'two'\nx = 1\n", 1),
    "a docstring on the line of its class": ("class A: 'What it is.'\n", 1),
    "a docstring behind a text": ("x('''a\nb\nc'''); 'doc'\n", 3),
    "a text of three lines, one of them blank": ('x = """a\n\nb"""\n', 2),
    "a formatted text of three lines": ('x = f"""a\n{x}\nb"""\n', 3),
    "a text with a comment sign": ('x = """\n# a\n"""\n', 3),
    "a continued line": ("x = 1 + \\\n    2\n", 2),
    "form feeds inside a text": ('x = "\x0c\x0c"\ny = 1\n', 2),
    "nothing": ("", 0),
}


@pytest.mark.parametrize(("source", "lines"), SOURCES.values(), ids=SOURCES)
def test_blank_lines_comments_and_docstrings_do_not_count(source: str, lines: int):
    assert code_lines(source) == lines


def test_the_command_line_and_the_generated_endpoints_do_not_count(tmp_path: Path):
    for name in ("_cli.py", "_cli_run.py", "__main__.py", "_endpoints.py", "_client.py", "__init__.py"):
        (tmp_path / name).write_text("x = 1\n")
    assert count(tmp_path) == {"__init__.py": 1, "_client.py": 1}


def test_every_counted_module_has_code():
    counts = count()
    assert counts.keys() >= {"_client.py", "_quirks.py", "_validation.py"}
    assert counts.keys() < {path.relative_to(PACKAGE).as_posix() for path in PACKAGE.rglob("*.py")}
    assert {name for name, lines in counts.items() if not lines} == {"_batch/__init__.py"}


@pytest.mark.parametrize("lines", [GOAL - 1, GOAL + 1])
def test_the_figure_is_printed_with_its_goal(tmp_path: Path, capsys: pytest.CaptureFixture[str], lines: int):
    (tmp_path / "_client.py").write_text("x = 1\n" * (lines - 1))
    (tmp_path / "_wire.py").write_text("x = 1\n")
    main(tmp_path, each=True)
    assert capsys.readouterr().out.splitlines() == [
        f" {lines - 1:,}  _client.py",
        "     1  _wire.py",
        f"handwritten code lines of wrapper/, without the command line: {lines:,} (goal: below {GOAL:,})",
    ]
