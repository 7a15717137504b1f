"""The commands and their options, for typer; what they do stands in a module each."""

from __future__ import annotations

from typing import Annotated, Final

import typer

from futukit import __version__
from futukit.cli.outcome import reported

__all__ = ["DEFAULT_URL", "app", "run"]

DEFAULT_URL: Final = "tcp://127.0.0.1:11111"

app = typer.Typer(
    name="futukit",
    help="Typed client and simulator for the OpenD gateway of Futu / moomoo.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)

_Url = Annotated[
    str,
    typer.Option(envvar="FUTUKIT_URL", help="Where OpenD listens; options go behind a '?'."),
]
_Seconds = Annotated[float | None, typer.Option(min=0.0, help="End after so many seconds.")]


def run(arguments: list[str]) -> int:
    """Run a command; it ends with SystemExit, whose code is the exit status."""
    app(args=arguments, prog_name="futukit")
    return 0


def _show_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"futukit {__version__}")
        raise typer.Exit


@app.callback()
def _top(
    _version: Annotated[
        bool,
        typer.Option(
            "--version", callback=_show_version, is_eager=True, help="Print the version and end."
        ),
    ] = False,
) -> None:
    """Typed client and simulator for the OpenD gateway of Futu / moomoo."""


@app.command()
def demo(
    seconds: Annotated[
        float, typer.Option(min=0.1, max=3600.0, help="How long to show live quotes.")
    ] = 5.0,
    seed: Annotated[int, typer.Option(help="Decides the simulated market.")] = 1,
) -> None:
    """Start a simulator, connect, show live quotes and tickers, fetch 1000 history K-lines."""
    from futukit.cli import demo as command

    with reported():
        command.run(seconds, seed)


@app.command()
def call(
    proto: Annotated[
        str, typer.Argument(help="A request: its name (Qot_GetBasicQot) or proto id (3004).")
    ],
    c2s: Annotated[
        str, typer.Argument(help="Its parameters as a JSON object; '-' reads them from stdin.")
    ] = "{}",
    url: _Url = DEFAULT_URL,
    timeout: Annotated[
        float | None,
        typer.Option(min=0.001, help="Seconds to wait, for the connection and for the answer."),
    ] = None,
    compact: Annotated[bool, typer.Option("--compact", help="Print on one line.")] = False,
) -> None:
    """Send one request and print the answer (S2C) as JSON.

    A security may be written "HK.00700", an enum by its number or name.
    """
    from futukit.cli import call as command

    with reported():
        command.run(proto, c2s, url=url, timeout=timeout, compact=compact)


@app.command()
def watch(
    codes: Annotated[list[str], typer.Argument(help="Securities, like HK.00700 US.AAPL.")],
    url: _Url = DEFAULT_URL,
    seconds: _Seconds = None,
    count: Annotated[
        int | None, typer.Option(min=1, help="End after so many quotes and tickers.")
    ] = None,
) -> None:
    """Show live quotes and tickers: a table on a terminal, plain lines elsewhere."""
    from futukit.cli import watch as command

    with reported():
        command.run(codes, url=url, seconds=seconds, count=count)


@app.command("sim", context_settings={"help_option_names": []}, add_help_option=False)
def _sim() -> None:
    """Serve a simulated OpenD; 'futukit sim --help' lists its options."""


@app.command("codegen", context_settings={"help_option_names": []}, add_help_option=False)
def _codegen() -> None:
    """Schema tools: sync, generate, check, diff; 'futukit codegen --help' lists them."""
