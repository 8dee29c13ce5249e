"""Intervals against scipy, closed forms, and their own promise: to cover the truth as often as they say."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from wmenv.metrics.bootstrap import block_mean, bootstrap
from wmenv.metrics.quantiles import binomial_shares, minimum_n, order_bounds, quantile, quantile_record
from wmenv.metrics.rates import per_1000, poisson, wilson
from wmenv.metrics.survival import kaplan_meier

stats = pytest.importorskip("scipy.stats")


@pytest.mark.parametrize("n", [1, 7, 500, 4096])
@pytest.mark.parametrize("p", [0.01, 0.5, 0.99])
def test_binomial_shares_are_scipys(n, p):
    np.testing.assert_allclose(binomial_shares(n, p), stats.binom.pmf(np.arange(n + 1), n, p), rtol=1e-8, atol=1e-15)


@pytest.mark.parametrize("q", [0.5, 0.9, 0.95, 0.99])
def test_the_minimum_n_is_where_a_two_sided_interval_begins(q):
    least = minimum_n(q)
    assert order_bounds(least - 1, q) is None
    low, high = order_bounds(least, q)
    assert 0 <= low < high <= least - 1


@pytest.mark.parametrize(("n", "q"), [(6, 0.5), (100, 0.5), (100, 0.95), (500, 0.99)])
def test_order_bounds_cover_at_least_as_often_as_promised(n, q):
    low, high = order_bounds(n, q)
    covered = stats.binom.cdf(high, n, q) - stats.binom.cdf(low, n, q)  # low < number of values below <= high
    assert covered >= 0.95 - 1e-9
    narrower = [stats.binom.cdf(high - 1, n, q) < 0.975, stats.binom.cdf(low + 1, n, q) > 0.025]
    assert all(narrower), "an interval one value shorter would leave more than a tail out"


def test_a_quantile_is_one_of_the_values_and_lies_in_its_interval():
    values = np.random.default_rng(0).exponential(size=400)
    for q in (0.5, 0.95, 0.99):
        found = quantile(values, q)
        assert found.estimate in values
        assert found.low <= found.estimate <= found.high


def test_percentiles_below_their_minimum_n_are_not_given():
    record = quantile_record(np.arange(100.0))
    assert (record["n"], record["p50"], record["p95"], record["p99"]) == (100, 49.0, 94.0, None)
    assert record["p99_ci"] is None
    assert quantile_record(np.array([]))["p50"] is None


@given(st.integers(1, 500), st.data())
def test_wilson_solves_its_defining_equation(trials, data):
    successes = data.draw(st.integers(1, trials))
    found = wilson(successes, trials)
    z = stats.norm.ppf(0.975)
    expected = stats.binomtest(successes, trials).proportion_ci(method="wilson")
    assert found.low == pytest.approx(expected.low, abs=1e-9)
    assert found.high == pytest.approx(expected.high, abs=1e-9)
    assert abs(found.estimate - found.low) == pytest.approx(z * math.sqrt(found.low * (1 - found.low) / trials))


def test_no_trials_say_nothing():
    assert wilson(0, 0)[1:] == (0.0, 1.0)
    assert poisson(0, 0)[1:] == (0.0, math.inf)
    assert per_1000(0, 0, "exposed_steps") == {
        "events": 0,
        "exposed_steps": 0,
        "per_1000": None,
        "per_1000_ci": None,
    }


@pytest.mark.parametrize("events", [0, 1, 5, 60])
def test_poisson_is_the_exact_chi_square_interval(events):
    found = poisson(events, 250, per=1000)
    low = stats.chi2.ppf(0.025, 2 * events) / 2 if events else 0.0
    high = stats.chi2.ppf(0.975, 2 * events + 2) / 2
    assert found == pytest.approx((events * 4, low * 4, high * 4), abs=1e-6)


def test_bootstrap_of_a_mean_has_the_width_of_its_standard_error():
    units = np.random.default_rng(1).normal(5, 2, size=400)
    found = bootstrap(units)
    half = 1.96 * units.std() / math.sqrt(len(units))
    assert found.estimate == units.mean()
    assert (found.high - found.low) / 2 == pytest.approx(half, rel=0.08)
    assert bootstrap(units) == found


def test_blocks_widen_the_interval_of_an_autocorrelated_series():
    steps = np.random.default_rng(2).normal(size=2000)
    series = np.zeros(2000)
    for t in range(1, 2000):
        series[t] = 0.9 * series[t - 1] + steps[t]
    naive, blocked = block_mean(series, block=1), block_mean(series)
    assert blocked.high - blocked.low > 2 * (naive.high - naive.low)
    assert naive.high - naive.low == pytest.approx(2 * 1.96 * series.std() / math.sqrt(2000), rel=0.1)


def test_kaplan_meier_agrees_with_scipy():
    rng = np.random.default_rng(3)
    lasted, patience = rng.exponential(10, 80), rng.exponential(15, 80)
    durations, ended = np.minimum(lasted, patience), lasted <= patience
    expected = stats.ecdf(stats.CensoredData.right_censored(durations, ~ended)).sf
    curve = kaplan_meier(durations, ended)
    for time in np.linspace(0, 40, 60):
        assert curve.at(time) == pytest.approx(float(expected.evaluate(time)))


def test_what_outlives_the_watching_has_no_median_but_a_restricted_mean():
    curve = kaplan_meier(np.array([4.0, 10, 10, 10]), np.array([True, False, False, False]))
    assert curve.median is None
    assert curve.restricted_mean(10) == pytest.approx((4 + 10 + 10 + 10) / 4)


def test_without_censoring_the_restricted_mean_is_the_mean():
    durations = np.array([1.0, 2, 2, 7])
    assert kaplan_meier(durations, np.ones(4, bool)).restricted_mean(100) == pytest.approx(durations.mean())
