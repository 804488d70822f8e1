"""The robot's side: numpy only, importable where jax and mujoco are absent; imports nothing else of ours."""
