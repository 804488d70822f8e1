"""The gripper, the objects and the table: scene, physics back ends, environment and reward."""
