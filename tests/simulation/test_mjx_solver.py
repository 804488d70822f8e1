"""The mend of MJX's solver reaches what this package traces with the solver that it knows, and nothing else."""

import jax.numpy as jnp
import pytest
from mujoco.mjx._src import solver

from real2sim_jax.core.errors import UserError
from real2sim_jax.simulation.physics import mjx_solver
from real2sim_jax.simulation.physics.backends import make_physics
from tests.command_line import exit_code


def test_other_programs_keep_their_solver():
    before = solver.jp
    make_physics("mjx", 1)
    assert solver.jp is before and jnp.isnan(solver.jp.sqrt(-1.0))
    with pytest.raises(ValueError, match="whatever ends it"), mjx_solver.mended_line_search():
        assert solver.jp.sqrt(-1.0) == 0.0 and solver.jp.sqrt(4.0) == 2.0
        raise ValueError("whatever ends it")
    assert solver.jp is before


def test_a_solver_that_is_not_known_is_refused(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(mjx_solver, "solver", mjx_solver)
    with pytest.raises(UserError, match="mends the contact solver"):
        make_physics("mjx", 1)
    assert exit_code("profile", "--action", "pick_up", "--physics", "mjx", "--runs", tmp_path) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert "mujoco-mjx>=3.17,<3.18" in line
