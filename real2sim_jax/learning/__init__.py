"""From demonstrations to a policy: PPO as one jitted program."""
