"""Greedy episodes of a policy from given starts: all rows in one jitted program."""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp

from real2sim_jax.benchmarks.success import Success, judge
from real2sim_jax.core.clock import CONTROL_HZ, EPISODE_STEPS
from real2sim_jax.core.errors import UserError
from real2sim_jax.core.policy import Policy
from real2sim_jax.core.reference import Reference
from real2sim_jax.data.types import Array
from real2sim_jax.simulation.env import ManipulationEnv
from real2sim_jax.simulation.types import StartState, Trajectory

Arrays = dict[str, Any]
Rollout = Callable[[Policy, StartState], tuple[Trajectory, Success, Array]]


def make_rollout(env: ManipulationEnv) -> Rollout:
    """Return a function from a policy and N start states to N trajectories, judgements and returns (N,).

    Episodes last their full length whatever happens. It is traced once for each shape of its arguments, not for each
    policy. UserError: a policy for another action or control rate, or that sees more or less than `env` shows.
    """

    @jax.jit
    def run(arrays: Arrays, starts: StartState) -> tuple[Trajectory, Success, Array]:
        keys = jax.random.split(jax.random.PRNGKey(0), len(starts.azimuth))
        return jax.vmap(lambda start, key: _episode(env, _policy(env, arrays), start, key))(starts, keys)

    def rollout(policy: Policy, starts: StartState) -> tuple[Trajectory, Success, Array]:
        if policy.action.name != env.action.name or abs(policy.dt * CONTROL_HZ - 1.0) > 1e-6:
            found = f"a policy for {policy.action.name} at {1 / policy.dt:.1f} Hz"
            raise UserError(f"{found}: expected {env.action.name} at {CONTROL_HZ} Hz")
        if len(policy.layout) != env.observation_size["policy"]:
            raise UserError(f"a policy that observes {', '.join(policy.layout)}: the environment shows something else")
        return run(_arrays(policy), jax.tree.map(lambda leaf: jnp.asarray(leaf, jnp.float32), starts))

    return rollout


def _episode(env: ManipulationEnv, policy: Policy, start: StartState, key: Array) -> tuple[Trajectory, Success, Array]:
    def step(state: Any, _: None) -> tuple[Any, Any]:
        after = env.step(state, policy.act(state.obs["policy"]))
        return after, (after.pipeline_state, after.reward)

    first = env.reset_from(start, key)
    _, (states, rewards) = jax.lax.scan(step, first, None, length=EPISODE_STEPS)
    states = jax.tree.map(lambda one, many: jnp.concatenate([one[None], many]), first.pipeline_state, states)
    gripper, objects = env.joints.gripper(states.qpos), env.joints.objects(states.qpos)
    trajectory = Trajectory(
        gripper_position=gripper.position,
        gripper_wxyz=gripper.wxyz,
        opening=env.joints.opening(states.qpos),
        object_position=objects.position,
        object_wxyz=objects.wxyz,
        heights=start.heights,
        radii=start.radii,
        dt=jnp.asarray(policy.dt),
    )
    return trajectory, judge(env.action, trajectory), rewards.sum()


def _arrays(policy: Policy) -> Arrays:
    reference = policy.reference and vars(policy.reference)
    return {"mean": policy.mean, "std": policy.std, "layers": policy.layers, "reference": reference}


def _policy(env: ManipulationEnv, arrays: Arrays) -> Policy:
    reference = arrays["reference"] and Reference(**arrays["reference"])
    return Policy(env.action, 1.0 / CONTROL_HZ, arrays["mean"], arrays["std"], arrays["layers"], reference)
