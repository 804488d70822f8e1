"""Write a mesh-free FR3 for franka-sim from its own URDF: make_fr3_model.py OUT.xml, in its environment.

Franka-sim downloads a model otherwise. Joints get the armature and damping without which its servos oscillate.
"""

import re
import sys
from pathlib import Path

import franka_sim
import mujoco

FOLDER = Path(franka_sim.__file__).parent / "models"


def main(out):
    text = (FOLDER / "fr3.urdf").read_text()
    for tag in ("visual", "collision"):
        text = re.sub(rf"<{tag}\b.*?</{tag}>", "", text, flags=re.DOTALL)
    compiler = '<mujoco><compiler fusestatic="false" discardvisual="true" balanceinertia="true"/></mujoco>'
    text = re.sub(r"(<robot\b[^>]*>)", rf"\1{compiler}", text, count=1)
    spec = mujoco.MjSpec.from_string(text)
    for i, joint in enumerate(spec.joints):
        joint.armature, joint.damping = (0.1 if i < 4 else 0.05), 1.0
    spec.compile()
    Path(out).write_text(spec.to_xml())


main(sys.argv[1])
