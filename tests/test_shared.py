"""Settings of the process that several threads change and put back."""

from __future__ import annotations

import threading
import warnings

import pytest
from astropy.utils.exceptions import AstropyUserWarning

from apdb.shared import Shared
from pipeline.io.quiet import QUIET


def test_threads_that_overlap_leave_warnings_as_they_were() -> None:
    before = list(warnings.filters)
    first_in, second_in, first_out = (threading.Event() for _ in range(3))

    def first() -> None:
        with QUIET:
            first_in.set()
            assert second_in.wait(10)
        first_out.set()

    with pytest.raises(UserWarning, match="heard"):
        warnings.warn("heard", stacklevel=1)
    thread = threading.Thread(target=first)
    thread.start()
    assert first_in.wait(10)
    with QUIET:
        second_in.set()
        assert first_out.wait(10)
        warnings.warn("not heard", AstropyUserWarning, stacklevel=1)
    thread.join()
    assert list(warnings.filters) == before
    with pytest.raises(UserWarning, match="heard again"):
        warnings.warn("heard again", stacklevel=1)


def test_errors_pass_and_leave_nothing_behind() -> None:
    before = list(warnings.filters)

    @QUIET
    def fails() -> None:
        warnings.warn("not heard", AstropyUserWarning, stacklevel=1)
        raise LookupError("out")

    for _ in range(2):
        with pytest.raises(LookupError, match="out"):
            fails()
    assert list(warnings.filters) == before


def test_a_context_that_cannot_be_entered_is_left_by_nobody() -> None:
    def broken() -> None:
        raise OSError("no such setting")

    shared = Shared(broken)  # type: ignore[arg-type]
    for _ in range(2):
        with pytest.raises(OSError, match="no such setting"), shared:
            pass
