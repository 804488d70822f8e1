"""The quick form of `make fuzz`, and whether the fuzzer finds what it is for."""

import pytest

from tests.fuzz.case import prepare
from tests.fuzz.planted import READERS as PLANTED
from tests.fuzz.read_settings import READERS as SETTINGS
from tests.fuzz.readers import READERS
from tests.fuzz.runner import run

QUICK = 300
"""Mutations."""


@pytest.mark.parametrize("kind", [pytest.param(k, marks=[pytest.mark.long] if k == "memory" else []) for k in PLANTED])
def test_every_kind_of_fault_is_found_and_its_input_kept(kind, tmp_path):
    patience_s = 3.0 if kind == "hang" else 60.0
    (result,) = run([PLANTED[kind]], lambda reader: range(1), tmp_path, 1, patience_s)
    assert result.mutations == 1
    if kind == "refused":
        assert not result.faults and result.counts["refused"] == 1
        return
    assert [(seed, verdict.kind) for seed, verdict in result.faults.items()] == [(0, kind.partition(" ")[0])]
    kept = tmp_path / f"{kind.replace(' ', '_')}-0"
    assert (kept / "text.txt").read_text().startswith("bad") and (kept / "verdict.txt").is_file()


@pytest.mark.parametrize("reader", SETTINGS, ids=lambda reader: reader.name)
def test_a_seed_gives_the_same_input_again(reader, tmp_path):
    good = tmp_path / "good"
    good.mkdir()
    reader.corpus(good)
    inputs = []
    for seed in range(40):
        for name in ("a", "b"):
            prepare(reader, good, tmp_path / name, seed)
        first, second = ([p.read_bytes() for p in sorted((tmp_path / name).iterdir())] for name in ("a", "b"))
        assert first == second
        inputs.append(first[0])
    assert len(set(inputs)) > 35, "seeds differ"


@pytest.mark.long
@pytest.mark.timeout(600)
def test_no_reader_has_a_fault(tmp_path):
    share = QUICK / sum(reader.count for reader in READERS)
    results = run(READERS, lambda reader: range(max(1, round(share * reader.count))), tmp_path / "fuzz")
    faults = [
        f"{result.reader} {seed}: {verdict.kind}: {verdict.detail}"
        for result in results
        for seed, verdict in result.faults.items()
    ]
    assert not faults, "\n".join(faults)
    assert sum(result.mutations for result in results) > 0.9 * QUICK
