"""The table of combinations in docs/transports.md, made of what the clients check by.

``python -m tests.support.combinations`` writes it into the page.
"""

from __future__ import annotations

from pathlib import Path

from futukit.endpoint import BODIES, ENCRYPTIONS, SCHEMES

PAGE = Path(__file__).resolve().parents[2] / "docs" / "transports.md"
BEGIN = "<!-- combinations: begin (made of futukit.endpoint.SCHEMES) -->"
END = "<!-- combinations: end -->"

_DIALECTS = {
    "frames": "TCP",
    "framed": "WebSocket, one frame per message",
    "script": "WebSocket of the JavaScript SDK",
    "grpc": "gRPC",
}


def table() -> str:
    """The table, as Markdown."""
    lines = [
        f"| URL | what it is | port | body | {' | '.join(f'`{e}`' for e in ENCRYPTIONS)} |",
        "|---" * (4 + len(ENCRYPTIONS)) + "|",
    ]
    for scheme in SCHEMES.values():
        for body in BODIES:
            what = _DIALECTS[scheme.dialect] + (" under TLS" if scheme.tls else "")
            cells = ["no" if scheme.refusal(body, name) else "yes" for name in ENCRYPTIONS]
            lines.append(
                f"| `{scheme.name}://` | {what} | {scheme.port} | {body} | {' | '.join(cells)} |"
            )
    return "\n".join(lines)


def written(page: str) -> str:
    """The page with the table as it is now."""
    head, _, rest = page.partition(BEGIN)
    _, _, tail = rest.partition(END)
    return f"{head}{BEGIN}\n\n{table()}\n\n{END}{tail}"


if __name__ == "__main__":
    PAGE.write_text(written(PAGE.read_text("utf-8")), encoding="utf-8", newline="\n")
