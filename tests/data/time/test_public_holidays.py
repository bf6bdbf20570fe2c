from __future__ import annotations

import subprocess
import sys

import numpy as np
import pandas as pd
import pytest

from forecaster.data.time.public_holidays import check_country, holiday_features, holiday_width
from forecaster.errors import SettingError


def moments(*texts: str) -> np.ndarray:
    return np.array(texts, "datetime64[ns]")


def test_days_before_and_after_christmas() -> None:
    days = np.arange("2024-12-23", "2025-01-03", dtype="datetime64[D]").astype("datetime64[ns]")
    found = holiday_features(days, "DE", "D")
    assert (found.dtype, found.shape) == (np.float32, (11, holiday_width("D")))
    is_one = [0, 0, 1, 1, 0, 0, 0, 0, 0, 1, 0]  # 25, 26 December, 1 January
    np.testing.assert_array_equal(found[:, 0], is_one)
    np.testing.assert_array_equal(found[:, 1], [*is_one[1:], 0])
    np.testing.assert_array_equal(found[:, 2], [0, *is_one[:-1]])


@pytest.mark.parametrize("freq", ["h", "15min", "12h", "B", "row-B", "s"])
def test_all_times_of_a_day_are_alike(freq: str) -> None:
    times = moments("2024-07-03T23:59:59", "2024-07-04T00:00", "2024-07-04T13:15", "2024-07-05T00:00")
    expected = [[0, 1, 0], [1, 0, 0], [1, 0, 0], [0, 0, 1]]
    np.testing.assert_array_equal(holiday_features(times, "US", freq), expected)


def test_a_region_has_its_own() -> None:
    epiphany = moments("2025-01-06")
    assert holiday_features(epiphany, "DE-BY", "D")[0, 0] == 1
    assert holiday_features(epiphany, "DE", "D")[0, 0] == holiday_features(epiphany, "DE-BE", "D")[0, 0] == 0


def test_weeks_count_the_working_days_before_and_after() -> None:
    sundays = moments("2024-12-22", "2024-12-29", "2025-01-05")  # 25 and 26 December, 1 January
    np.testing.assert_array_equal(holiday_features(sundays, "DE", "W-SUN"), [[0, 2], [2, 1], [1, 0]])
    mondays = moments("2024-12-23", "2024-12-30")
    np.testing.assert_array_equal(holiday_features(mondays, "DE", "W-MON"), [[0, 2], [2, 1]])
    np.testing.assert_array_equal(holiday_features(mondays, "DE", "2W-MON"), [[0, 1.5], [1, 0.5]])


def test_months_quarters_and_years_count_their_own() -> None:
    def of(freq: str, *texts: str) -> list[float]:
        found = holiday_features(moments(*texts), "DE", freq)
        assert found.shape == (len(texts), 1) == (len(texts), holiday_width(freq))
        return found[:, 0].tolist()

    assert of("MS", "2024-02-01", "2024-12-01") == pytest.approx([0, 2 * 7 / 31])
    assert of("ME", "2024-02-29", "2024-12-31") == pytest.approx([0, 2 * 7 / 31])
    assert of("QS-JAN", "2024-10-01") == of("QE-DEC", "2024-12-31") == pytest.approx([3 * 7 / 92])
    assert of("2MS", "2024-11-01") == pytest.approx([2 * 7 / 61])
    # 1.1., Good Friday, Easter Monday, 1.5., Ascension, Whit Monday, 3.10., 25., 26.12.
    assert of("YS-JAN", "2024-01-01") == of("YE-DEC", "2024-12-31") == pytest.approx([9 * 7 / 366])


def test_no_times_and_years_of_old() -> None:
    for freq in ("D", "W-SUN", "MS"):
        assert holiday_features(moments(), "DE", freq).shape == (0, holiday_width(freq))
    assert not holiday_features(moments("1700-02-01", "1700-03-01"), "DE", "MS").any()


def test_every_day_of_a_century_against_the_library() -> None:
    import holidays

    days = pd.date_range("1995-01-01", "2030-12-31", freq="D", unit="ns")
    known = holidays.country_holidays("US", subdiv="CA", years=range(1994, 2032))
    np.testing.assert_array_equal(holiday_features(days.to_numpy(), "US-CA", "D")[:, 0], [day in known for day in days])


@pytest.mark.parametrize(
    ("country", "name"), [("DE", "DE"), ("de", "DE"), (" us-ca ", "US-CA"), ("USA", "USA"), ("UK", "UK")]
)
def test_a_country_is_known_by_its_code(country: str, name: str) -> None:
    assert check_country(country) == name == check_country(name)


@pytest.mark.parametrize(
    ("country", "message", "hint"),
    [
        ("Germany", "no holidays are known for 'Germany'", "did you mean 'DE' (Germany)?"),
        ("united states", "no holidays are known for 'united states'", "did you mean 'US' (United States)?"),
        ("DEE", "no holidays are known for 'DEE'", "did you mean 'DE' (Germany)?"),
        ("GER", "no holidays are known for 'GER'", "did you mean 'DE' (Germany)?"),
        ("EU", "no holidays are known for 'EU'", ""),
        ("Germny", "no holidays are known for 'Germny'", "did you mean 'DE' (Germany)?"),
        ("XX", "expected a country code such as DE, US, or with a region US-CA", ""),
        ("", "expected a country code", ""),
        ("US-CAL", "no holidays are known for region 'CAL' of US, expected one of: AK, AL,", "did you mean 'CA'?"),
        ("DE-Bayern", "no holidays are known for region 'Bayern' of DE", ""),
        ("AF-X", "no holidays are known for region 'X' of AF, expected one of: none", "leave the region out: AF"),
    ],
)
def test_an_unknown_country_is_refused_with_the_nearest(country: str, message: str, hint: str) -> None:
    with pytest.raises(SettingError, match=message) as caught:
        check_country(country)
    assert hint in caught.value.hint
    with pytest.raises(SettingError, match="no holidays are known"):
        holiday_features(moments("2024-01-01"), country, "D")


def test_counted_steps_have_no_holidays() -> None:
    with pytest.raises(SettingError, match="holidays need dates, but the time column counts steps"):
        holiday_features(np.arange(3), "DE", "step")


def test_the_library_is_loaded_only_when_asked_for() -> None:
    code = "import sys, forecaster.data.time.public_holidays; sys.exit('holidays' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0
