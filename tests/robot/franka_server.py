"""franka-sim in step with its client, for a test on a busy machine: franka_server.py, in its environment.

By itself franka-sim moves its arm by the wall clock and sends states by another one: where client or server wait for
a processor, torques arrive late and the arm shakes itself into its limits. Here the arm moves by one millisecond for
each state that goes out, after the client has answered the one before; a slow machine makes the robot's time slow.
"""

import logging
import time

from franka_sim.franka_sim_server import FrankaSimServer
from franka_sim.mujoco_franka_sim import MujocoFrankaSim

HOST = "127.0.0.1"
PATIENCE_S = 0.2
"""How long a client may think: a hundred times what a robot allows."""


class WaitingArm(MujocoFrankaSim):
    def run_simulation(self):
        self._read_and_publish_state()
        while self.running:
            time.sleep(0.1)


class SteppingServer(FrankaSimServer):
    def _drain_gate(self, answer_deadline=0.0):
        """Called once before each state."""
        waited = super()._drain_gate(time.perf_counter() + PATIENCE_S)
        self.physics_sim.step()
        return waited


if __name__ == "__main__":
    logging.basicConfig(level=logging.INFO)
    SteppingServer(host=HOST, enforce_motion_limits=True, physics_sim=WaitingArm()).start()
