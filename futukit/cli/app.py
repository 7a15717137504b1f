"""The commands and their options, for typer; what they do stands in a module each."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, Final

import typer

from futukit import __version__
from futukit.cli.outcome import reported

__all__ = ["DEFAULT_URL", "Encryption", "app", "run"]

DEFAULT_URL: Final = "tcp://127.0.0.1:11111"


class Encryption(StrEnum):
    """What may stand behind ``--encryption``."""

    FTAES_ECB = "ftaes_ecb"
    AES_ECB = "aes_ecb"
    AES_CBC = "aes_cbc"


app = typer.Typer(
    name="futukit",
    help="Typed client, simulator and shared gateway for the OpenD of Futu / moomoo.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)

_Url = Annotated[
    str,
    typer.Option(envvar="FUTUKIT_URL", help="Where OpenD listens; options go behind a '?'."),
]
_Trace = Annotated[
    bool, typer.Option("--trace", help="Write each packet to stderr: one line, secrets masked.")
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
    """Typed client, simulator and shared gateway for the OpenD of Futu / moomoo."""


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
    trace: _Trace = False,
) -> None:
    """Send one request and print the answer (S2C) as JSON.

    A security may be written "HK.00700", an enum by its number or name.
    """
    from futukit.cli import call as command

    with reported():
        command.run(proto, c2s, url=url, timeout=timeout, compact=compact, trace=trace)


@app.command()
def watch(
    codes: Annotated[list[str], typer.Argument(help="Securities, like HK.00700 US.AAPL.")],
    url: _Url = DEFAULT_URL,
    seconds: _Seconds = None,
    count: Annotated[
        int | None, typer.Option(min=1, help="End after so many quotes and tickers.")
    ] = None,
    trace: _Trace = False,
) -> None:
    """Show live quotes and tickers: a table on a terminal, plain lines elsewhere."""
    from futukit.cli import watch as command

    with reported():
        command.run(codes, url=url, seconds=seconds, count=count, trace=trace)


@app.command()
def decode(
    file: Annotated[
        str, typer.Argument(help="One direction of a TCP connection, as bytes; '-' is stdin.")
    ],
    rsa_key: Annotated[
        str | None,
        typer.Option(metavar="FILE", help="OpenD's RSA key (PEM): opens InitConnect."),
    ] = None,
    aes_key: Annotated[
        str | None,
        typer.Option(envvar="FUTUKIT_AES_KEY", help="The connection's AES key, 16 characters."),
    ] = None,
    aes_iv: Annotated[
        str | None,
        typer.Option(envvar="FUTUKIT_AES_IV", help="Its initialisation vector, for aes_cbc."),
    ] = None,
    encryption: Annotated[
        Encryption | None,
        typer.Option(help="Its cipher; left out, the digests tell which one it is."),
    ] = None,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print a JSON object for each frame instead.")
    ] = False,
    width: Annotated[
        int, typer.Option(min=0, help="The most characters of a line; 0 for all.")
    ] = 200,
) -> None:
    """Show a captured byte stream: a line for each frame, decoded, secrets masked.

    OpenD's direction opens with the RSA key alone: its answer to InitConnect names the AES key.
    The client's direction needs the AES key as well.
    """
    from futukit.cli import decode as command

    with reported():
        keys = command.keys_for(
            rsa_key, aes_key, aes_iv, None if encryption is None else encryption.value
        )
        command.run(file, keys, as_json=as_json, width=width or None)


@app.command("sim", context_settings={"help_option_names": []}, add_help_option=False)
def _sim() -> None:
    """Serve a simulated OpenD; 'futukit sim --help' lists its options."""


@app.command("gateway", context_settings={"help_option_names": []}, add_help_option=False)
def _gateway() -> None:
    """Serve one OpenD to many clients; 'futukit gateway --help' lists its options."""


@app.command("codegen", context_settings={"help_option_names": []}, add_help_option=False)
def _codegen() -> None:
    """Schema tools: sync, generate, check, diff; 'futukit codegen --help' lists them."""
