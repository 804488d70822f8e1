"""Named configurations of a training: what `real2sim train --preset` offers."""

from real2sim_jax.core.clock import EPISODE_STEPS
from real2sim_jax.learning.networks import NetworkConfig
from real2sim_jax.learning.ppo import PPOConfig
from real2sim_jax.learning.train import TrainConfig
from real2sim_jax.simulation.env import EnvConfig
from real2sim_jax.simulation.reward import PUBLISHED

PRESETS: dict[str, TrainConfig] = {
    "default": TrainConfig(),
    "published": TrainConfig(
        ppo=PPOConfig(
            envs=70,
            steps=1000 * 70 * EPISODE_STEPS,
            minibatches=4,
            ramp=0.5,
            replay=0.0,
            reference="none",
            networks=NetworkConfig(sigma_translation=0.2, sigma_rotation=0.2, sigma_grip=0.2),
        ),
        env=EnvConfig(reward=PUBLISHED, end_on_violation=True),
    ),
}
"""`published` is the learner of CoRL 2020 (arXiv 2011.06813) as far as the paper says: 1000 iterations of 70
environments, no reference, its reward, starts that widen, and episodes that end when the gripper is where it must not
be. The starts widen at one rate, where the paper has one for angles and a later one for positions."""
