"""The gripper, the objects and the table: scene, physics back ends, environment and reward."""

import contextlib
import io

# MJX prints two lines when the optional Warp packages are absent, which is no news to a user who did not ask for them.
with contextlib.redirect_stdout(io.StringIO()):
    import mujoco.mjx  # noqa: F401
