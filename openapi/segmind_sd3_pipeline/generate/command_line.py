"""The reference of the command line, as click knows its commands."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click
from segmind_sd3._cli import PluginCommand, commands, plugin_commands

if TYPE_CHECKING:
    from collections.abc import Iterator


def command_pages() -> str:
    """Return a section for each command, in the order of `segmind-sd3 --help`."""
    return "\n\n".join(_sections(commands, click.Context(commands, info_name="segmind-sd3")))


def _sections(command: click.Command, context: click.Context) -> Iterator[str]:
    if isinstance(command, click.Group):
        for name in command.list_commands(context):
            found = command.get_command(context, name)
            if isinstance(found, PluginCommand):
                found = plugin_commands()[name].load()
            assert found is not None, name  # noqa: S101 - it is listed
            yield from _sections(found, found.context_class(found, parent=context, info_name=name))
    else:
        yield _section(command, context)


def _section(command: click.Command, context: click.Context) -> str:
    path = context.command_path
    usage = " ".join([path, *command.collect_usage_pieces(context)])
    records = [record for each in command.get_params(context) if (record := each.get_help_record(context))]
    lines = ["| option | |", "| --- | --- |"]
    lines += [f"| `{_cell(option)}` | {_cell(text)} |" for option, text in records]
    text = "\n\n".join(
        " ".join(part.replace("\b", "").split()) for part in (command.help or "").split("\n\n")
    )
    return "\n\n".join(
        [f"## {path.partition(' ')[2]}", f"```text\n{usage}\n```", _escaped(text), "\n".join(lines)]
    )


def _cell(text: str) -> str:
    return _escaped(" ".join(text.split()).replace("|", "\\|"))


def _escaped(text: str) -> str:
    return text.replace("<", "&lt;")
