"""The examples in docstrings give what they say."""

import doctest
import importlib

import pytest

MODULES = ("core.actions", "core.predicates", "core.rotations", "geometry.cameras", "robot.franka.kinematics")


@pytest.mark.parametrize("name", MODULES)
def test_examples_give_what_they_say(name):
    found = doctest.testmod(importlib.import_module(f"real2sim_jax.{name}"))
    assert found.attempted > 0 and found.failed == 0
