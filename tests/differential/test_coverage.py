"""docs/futu.md tells what is compared, and what is not there."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.differential.coverage import BEGIN, END, PAGE, written
from tests.differential.outcome import Outcome
from tests.interop.modes import Mode


def test_the_table_is_current(mode: Mode, outcome: Callable[[Mode], Outcome]) -> None:
    """Else: python -m tests.differential.coverage. It is the same table in every mode."""
    page = PAGE.read_text("utf-8")
    assert written(page, outcome(mode)) == page


@pytest.mark.parametrize("page", ["", BEGIN, f"{END}", f"{BEGIN}{END}{BEGIN}"])
def test_a_page_without_its_markers_is_not_written(
    page: str, outcome: Callable[[Mode], Outcome], mode: Mode
) -> None:
    with pytest.raises(ValueError, match="the page needs one"):
        written(page, outcome(mode))
