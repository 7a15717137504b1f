"""What no tracked file may contain: words about its making, this machine's paths, registry hosts.

The patterns are put together from pieces, so that this file does not find itself.
"""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]

MAKING = "|".join(
    (
        r"(?<!user[-_ ])(?<!useragent)\b(?:sub-?)?" + "ag" + r"ents?\b",
        r"\b" + "assist" + r"ants?\b",
        r"\b" + "clau" + r"de\b",
        r"\b" + "anth" + r"ropic\b",
        r"\b" + "chat" + r"gpt\b",
        r"\b" + "co" + r"pilot\b",
        r"\b" + "ll" + r"ms?\b",
        r"\blanguage" + r" models?\b",
        r"\bai" + r"[- ](?:generated|written|assisted)\b",
        r"\bcontext" + r" window\b",
        r"\bsession of" + r" work\b",
        r"\bknowledge" + r" cut-?off\b",
        r"\bissues" + r" show \d",
    )
)
# A place on one machine: a folder below the root that only a person's machine has.
PATHS = (
    r"(?<![\w.$~}\])>/-])/(?:" + "|".join(("work", "tm" + "p", "root", "home", "Users")) + r")/\w"
)
WINDOWS_PATHS = r"\b[A-Z]:\\" + r"Users\\"
HOSTS = "|".join(
    (
        "pypi" + r"\.(?:org|python\.org)",
        "python" + r"hosted\.org",
        "npm" + r"js\.(?:org|com)",
        "npm" + r"mirror\.com",
        "registry" + r"\.yarnpkg\.com",
        "crates" + r"\.io",
        "proxy" + r"\.golang\.org",
        "mirrors?" + r"\.[a-z]+\.(?:com|edu\.cn)",
    )
)
FORBIDDEN = {
    "a word about how it was made": re.compile(MAKING, re.I),
    "an absolute path of one machine": re.compile(f"{PATHS}|{WINDOWS_PATHS}"),
    "the host of a package registry": re.compile(HOSTS, re.I),
}


def tracked_files() -> list[Path]:
    git = shutil.which("git")
    if git is None or not (ROOT / ".git").exists():
        pytest.skip("not a git checkout")
    command = [git, "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    listed = subprocess.run(command, cwd=ROOT, capture_output=True, check=True).stdout
    paths = [ROOT / name.decode() for name in listed.split(b"\0") if name]
    return [path for path in paths if path.is_file()]


def findings(name: str, text: str) -> list[str]:
    return [
        f"{name}:{text.count(chr(10), 0, match.start()) + 1}: {what}: {match[0]!r}"
        for what, pattern in FORBIDDEN.items()
        for match in pattern.finditer(text)
    ]


def test_no_tracked_file_tells_how_it_was_made_or_where() -> None:
    found = []
    for path in tracked_files():
        name = path.relative_to(ROOT).as_posix()
        found += findings(name, name)
        try:
            found += findings(name, path.read_text("utf-8"))
        except UnicodeDecodeError:
            continue  # not a text
    assert found == []


@pytest.mark.parametrize(
    "text",
    [
        "written by an a" + "gent",
        "an AI" + "-generated file",
        "see /" + "work/main/x",
        'open("/' + 'tmp/x")',
        "pip -i https://pypi" + ".org/simple",
        "https://registry.npmjs" + ".org/x",
    ],
)
def test_the_patterns_find_what_they_are_for(text: str) -> None:
    assert findings("x", text)


@pytest.mark.parametrize(
    "text",
    ["User-Agent: futukit", "a session is ready", "$HOME/.pyenv", "tests/tmp/x", "the framework"],
)
def test_the_patterns_leave_ordinary_text_alone(text: str) -> None:
    assert findings("x", text) == []
