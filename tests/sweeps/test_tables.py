"""Tables of studies: pooling, spreads, and sections of pages."""

import pytest

from real2sim_jax.core.errors import UserError
from real2sim_jax.data.artefacts import read_csv
from real2sim_jax.sweeps.tables import Row, check_section, markdown, panels, pooled, share, write_rows, write_section


def row(condition="a", seed=0, spec="easy", successes=50, policy="trained"):
    rate = successes / 100
    return Row("study", condition, "pick_up", policy, seed, spec, successes, 100, rate, 12.5, "f00")


ROWS = [
    row(successes=40),
    row(seed=1, successes=60),
    row(spec="hard", successes=10),
    row(successes=30, policy="reference"),
    row(condition="b", successes=0),
]


def test_seeds_are_pooled_and_their_spread_is_told():
    assert (pooled(ROWS[:2]).successes, pooled(ROWS[:2]).count) == (100, 200)
    # Wilson's interval of 100 of 200: (0.5 + z^2/400 -+ z sqrt(0.25/200 + z^2/160000)) / (1 + z^2/200), z = 1.96.
    own = [one for one in ROWS if one.condition == "a"]
    assert share(own, "easy").splitlines() == ["50.0% [43.1%, 56.9%]", "seeds 40.0% to 60.0%", "reference alone 30.0%"]
    assert share(own[:1], "hard") == "-"


def test_rows_come_back_from_the_file(tmp_path):
    write_rows(tmp_path / "rows.csv", ROWS)
    found = read_csv(tmp_path / "rows.csv", ["condition", "policy", "seed", "spec", "successes", "episodes", "rate"])
    assert len(found) == len(ROWS) and found[1]["seed"] == "1" and found[3]["policy"] == "reference"


def test_panels_hold_all_episodes_and_then_each_seed():
    found = panels(ROWS)["pick_up"]
    easy, hard = found["a"]["easy"], found["a"]["hard"]
    assert [rate.rate for rate in easy] == [0.5, 0.4, 0.6] and [rate.rate for rate in hard] == [0.1, 0.1]


def test_a_section_is_replaced_and_nothing_else(tmp_path):
    page = tmp_path / "page.md"
    page.write_text("before\n<!-- study x: written by experiments -->\nold\n<!-- study x: end -->\nafter\n")
    text = markdown("Why?", [("a", "pick_up", "1", "1%\n2%", "-", "1 min")], "x.png")
    write_section(page, "study x", text)
    first = page.read_text()
    assert "old" not in first and first.startswith("before\n") and first.endswith("after\n")
    assert "| a | pick_up | 1 | 1%<br>2% | - | 1 min |" in first and "Why?" in first
    write_section(page, "study x", text)
    assert page.read_text() == first


@pytest.mark.parametrize("text", ["", "<!-- study x: written by experiments -->\n", "<!-- study x: end -->\n" * 2])
def test_a_page_without_the_markers_is_refused_and_stays(tmp_path, text):
    page = tmp_path / "page.md"
    page.write_text(text)
    with pytest.raises(UserError, match="study x: end -->' once each"):
        write_section(page, "study x", "new")
    assert page.read_text() == text
    with pytest.raises(UserError, match="expected the lines"):
        check_section(tmp_path / "none.md", "study x")
