"""Reports: rates, intervals, and the same bytes twice."""

import json
from dataclasses import fields

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from real2sim_jax.benchmarks.report import load_report, make_report, rate, save_report, sign_test, summary, summary_rows
from real2sim_jax.benchmarks.success import Success
from real2sim_jax.core.actions import ACTIONS
from real2sim_jax.core.errors import UserError


def report(action="push_left_to_right", seed=3):
    success = Success(*np.random.default_rng(seed).random((4, 10)) < np.array([[0.5], [0.7], [0.9], [0.7]]))
    return make_report(
        ACTIONS[action], success, policy_hash="ab12", spec="easy", spec_hash="cd34", physics="batch", seed=seed
    )


@pytest.mark.parametrize(
    "successes, count, low, high",
    [(81, 263, 0.2553, 0.3662), (15, 148, 0.0624, 0.1605), (0, 20, 0.0, 0.1611), (1, 29, 0.0061, 0.1718)],
)
def test_wilson_interval_of_published_cases(successes, count, low, high):
    # R. G. Newcombe, Statistics in Medicine 17 (1998), table I, method 3.
    found = rate(np.arange(count) < successes)
    assert (round(found.low, 4), round(found.high, 4)) == (low, high)


@given(st.lists(st.booleans(), max_size=200))
def test_the_interval_holds_the_rate(flags):
    found = rate(np.array(flags, bool))
    assert 0.0 <= found.low <= found.rate <= found.high <= 1.0


@pytest.mark.parametrize(("gained", "lost", "p"), [(0, 0, 1.0), (5, 0, 0.0625), (9, 1, 0.0215), (7, 7, 1.0)])
def test_sign_test_against_binomial_tables(gained, lost, p):
    assert round(sign_test(gained, lost), 4) == p


def test_summary_counts_rows():
    found = report()
    rates = summary(found)
    assert rates["success"].successes == sum(h and o for h, o in zip(found.hand_ok, found.object_ok, strict=True))
    assert rates["published_success"].successes == np.sum(found.published_hand_ok & found.published_object_ok)
    assert summary_rows(found)[0][0] == "success"
    assert "hand_ok" in rates and "hand_ok" not in summary(report("pick_up"))


def test_saved_twice_is_the_same_file_and_loads_back(tmp_path):
    first = save_report(tmp_path / "a", report())
    again = save_report(tmp_path / "b", report())
    assert first.name == "report_easy.json" and first.read_bytes() == again.read_bytes()
    loaded = load_report(first)
    for field in fields(loaded):
        np.testing.assert_array_equal(getattr(loaded, field.name), getattr(report(), field.name))


@pytest.mark.parametrize("text", ["[1, 2]", "{}", '{"schema": "Report", "version": 99}', "{"])
def test_other_files_are_refused(tmp_path, text):
    path = tmp_path / "report_easy.json"
    path.write_text(text)
    with pytest.raises(UserError, match="expected"):
        load_report(path)


def test_rows_are_readable(tmp_path):
    document = json.loads(save_report(tmp_path, report()).read_text())
    assert document["rows"][4]["index"] == 4 and set(document["summary"]["success"]) >= {"rate", "low", "high"}
