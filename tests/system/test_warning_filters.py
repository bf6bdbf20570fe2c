"""Warning filters that two threads change at once."""

from __future__ import annotations

import warnings
from concurrent.futures import ThreadPoolExecutor
from threading import Event

import pytest

from forecaster.system.warning_filters import own_warning_filters


def test_each_thread_has_its_own_filters_and_none_is_left() -> None:
    before, inside, later = list(warnings.filters), Event(), Event()

    def one() -> None:
        with own_warning_filters():
            warnings.simplefilter("error", FutureWarning)
            inside.set()
            later.wait(0.3)  # time enough for the other to come in, were it let in
            with pytest.raises(FutureWarning):
                warnings.warn("one", FutureWarning, stacklevel=1)

    def other() -> None:
        assert inside.wait(20)
        with own_warning_filters():
            later.set()
            warnings.simplefilter("ignore")
            warnings.warn("other", FutureWarning, stacklevel=1)

    with ThreadPoolExecutor(2) as pool:
        for call in [pool.submit(one), pool.submit(other)]:
            call.result(20)
    assert warnings.filters == before
