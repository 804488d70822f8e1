"""The rooms of the package and the one way in which they import each other."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[1] / "real2sim_jax"

# A room imports from the lines above its own and from itself; rooms of one line do not import each other.
ORDER = (
    ("robot", "jax_settings"),
    ("errors",),
    ("actions", "limits", "locks", "settings", "texts"),
    ("types",),
    ("files", "geometry"),
    ("states_csv", "perception"),
    ("rendering",),
    ("fitting",),
    ("demonstrations",),
    ("simulation",),
    ("learning",),
    ("benchmark",),
    ("viewers",),
    ("arms",),
    ("console", "inventory", "lerobot"),
    ("segments",),
    ("annotation", "fits"),
    ("pipeline",),
    ("sweeps",),
    ("commands",),
    ("cli", "__main__"),
)
LEVEL = {room: level for level, rooms in enumerate(ORDER) for room in rooms}
# Optional packages that one file of the robot's imports inside a function.
LATE_ON_THE_ROBOT = {"franka.py": {"franky"}, "onnx_export.py": {"onnx"}}
FILES = sorted(PACKAGE.rglob("*.py"))


def room_of(path):
    parts = path.relative_to(PACKAGE).with_suffix("").parts
    return parts[0]


def imported(path):
    """Every module that a file imports, at the top or inside a function, by its full name."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative import"
            # `from real2sim_jax import files` names the room only after the import.
            names = [alias.name for alias in node.names] if node.module == "real2sim_jax" else [None]
            yield from (f"{node.module}.{name}" if name else str(node.module) for name in names)


def rooms_imported(path):
    return {name.split(".")[1] for name in imported(path) if name.startswith("real2sim_jax.")}


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_imports_go_one_way(path):
    room = room_of(path)
    if room == "__init__":
        assert not list(imported(path))
        return
    assert room in LEVEL, f"{room} has no place in the order of rooms"
    for other in rooms_imported(path):
        assert other == room or LEVEL.get(other, len(ORDER)) < LEVEL[room], f"{path} imports {other}"


@pytest.mark.parametrize("path", sorted((PACKAGE / "robot").glob("*.py")), ids=lambda path: path.name)
def test_robot_needs_numpy_alone(path):
    assert rooms_imported(path) <= {"robot"}
    others = {name.split(".")[0] for name in imported(path)} - {"real2sim_jax", "numpy"}
    assert others - sys.stdlib_module_names <= LATE_ON_THE_ROBOT.get(path.name, set())


@pytest.mark.parametrize(
    "module", ["torch", "segment_anything", "mediapipe", "rembg", "franky", "onnx", "ray", "viser", "wandb", "pyarrow"]
)
def test_optional_packages_are_imported_late(module):
    for path in FILES:
        top = [node for node in ast.parse(path.read_text()).body if isinstance(node, ast.Import | ast.ImportFrom)]
        names = [alias.name for node in top if isinstance(node, ast.Import) for alias in node.names]
        names += [str(node.module) for node in top if isinstance(node, ast.ImportFrom)]
        assert not any(name.split(".")[0] == module for name in names), path


@pytest.mark.parametrize("folder", [PACKAGE, PACKAGE / "robot"], ids=lambda folder: folder.name)
def test_what_the_robot_imports_on_its_way_is_empty(folder):
    assert not list(imported(folder / "__init__.py"))


def test_the_command_line_starts_without_jax():
    check = "import sys, real2sim_jax.cli; sys.exit(bool({'jax', 'mujoco', 'matplotlib'} & sys.modules.keys()))"
    assert subprocess.run([sys.executable, "-c", check]).returncode == 0


def test_nothing_is_unpickled():
    for path in FILES:
        assert not {"pickle", "dill", "cloudpickle", "joblib"} & {name.split(".")[0] for name in imported(path)}, path
        text = path.read_text()
        assert text.count("np.load(") == text.count("allow_pickle=False"), path
