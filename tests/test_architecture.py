"""The rooms of the package, the one direction in which they import each other, and one name for each thing."""

import ast
import subprocess
import sys
from collections import defaultdict
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[1] / "real2sim_jax"

# A room imports from the lines above its own and from itself; rooms of one line do not import each other.
ORDER = (
    ("core", "jax_settings"),
    ("config", "data", "robot"),
    ("geometry", "perception"),
    ("simulation",),
    ("formats", "rendering", "benchmarks"),
    ("fitting", "synthetic"),
    ("evaluation", "learning"),
    ("replay",),
    ("viewers",),
    ("annotation", "exports", "simulated_robots", "stages"),
    ("sweeps",),
    ("commands",),
    ("cli",),
    ("__main__",),
)
LEVEL = {room: level for level, rooms in enumerate(ORDER) for room in rooms}
FILES = sorted(PACKAGE.rglob("*.py"))
ON_THE_ROBOT = [path for path in FILES if path.relative_to(PACKAGE).parts[0] in ("core", "robot")]
LATE_ON_THE_ROBOT = {"franka/arm.py": {"franky"}}
"""Optional packages that one file imports inside a function."""


def room_of(path):
    return path.relative_to(PACKAGE).with_suffix("").parts[0]


def imported(path):
    """Every module that a file imports, at the top or inside a function, by its full name."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative import"
            # `from real2sim_jax import core` names the room only after the import.
            names = [alias.name for alias in node.names] if node.module == "real2sim_jax" else [None]
            yield from (f"{node.module}.{name}" if name else str(node.module) for name in names)


def rooms_imported(path):
    return {name.split(".")[1] for name in imported(path) if name.startswith("real2sim_jax.")}


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_imports_go_one_way(path):
    room = room_of(path)
    if room == "__init__":
        return
    assert room in LEVEL, f"{room} has no place in the order of rooms"
    for other in rooms_imported(path):
        assert other == room or LEVEL.get(other, len(ORDER)) < LEVEL[room], f"{path} imports {other}"


def test_nothing_lies_loose_beside_the_rooms():
    assert {path.name for path in PACKAGE.glob("*.py")} <= {"__init__.py", "__main__.py", "cli.py", "jax_settings.py"}
    assert {path.parent.name for path in PACKAGE.glob("*/__init__.py")} == set(LEVEL) - {
        "__main__",
        "cli",
        "jax_settings",
    }


def test_no_public_class_has_the_name_of_another():
    found = defaultdict(list)
    for path in FILES:
        for node in ast.parse(path.read_text()).body:
            if isinstance(node, ast.ClassDef) and not node.name.startswith("_"):
                found[node.name].append(str(path.relative_to(PACKAGE)))
    assert not {name: places for name, places in found.items() if len(places) > 1}


@pytest.mark.parametrize("path", ON_THE_ROBOT, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_robot_needs_numpy_alone(path):
    assert rooms_imported(path) <= {"core", "robot"}
    others = {name.split(".")[0] for name in imported(path)} - {"real2sim_jax", "numpy"}
    late = {module for name, modules in LATE_ON_THE_ROBOT.items() if str(path).endswith(name) for module in modules}
    assert others - sys.stdlib_module_names <= late


@pytest.mark.parametrize(
    "module", ["torch", "segment_anything", "mediapipe", "rembg", "franky", "onnx", "ray", "viser", "wandb", "pyarrow"]
)
def test_optional_packages_are_imported_late(module):
    for path in FILES:
        top = [node for node in ast.parse(path.read_text()).body if isinstance(node, ast.Import | ast.ImportFrom)]
        names = [alias.name for node in top if isinstance(node, ast.Import) for alias in node.names]
        names += [str(node.module) for node in top if isinstance(node, ast.ImportFrom)]
        assert not any(name.split(".")[0] == module for name in names), path


@pytest.mark.parametrize("folder", ["core", "robot", "robot/franka", "robot/udp"])
def test_what_the_robot_imports_on_its_way_is_empty(folder):
    assert not list(imported(PACKAGE / folder / "__init__.py"))


def test_the_command_line_starts_without_jax():
    check = "import sys, real2sim_jax.cli; sys.exit(bool({'jax', 'mujoco', 'matplotlib'} & sys.modules.keys()))"
    assert subprocess.run([sys.executable, "-c", check]).returncode == 0


def test_nothing_is_unpickled():
    for path in FILES:
        assert not {"pickle", "dill", "cloudpickle", "joblib"} & {name.split(".")[0] for name in imported(path)}, path
        text = path.read_text()
        assert text.count("np.load(") == text.count("allow_pickle=False"), path
