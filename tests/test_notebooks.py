"""The notebooks: clean as they are committed, and run from top to bottom."""

import ast
import json
import os
import re
import time
import tomllib
from html import unescape
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).parents[1]
PATHS = sorted((REPOSITORY / "notebooks").glob("*.ipynb"))
NAMES = [
    "01_video_to_states",
    "02_train_a_policy",
    "03_benchmark_and_compare",
    "04_your_own_video",
    "05_your_own_action",
]
ADDRESS = tomllib.loads((REPOSITORY / "pyproject.toml").read_text())["project"]["urls"]["Repository"]
TINY = {"REAL2SIM_DEMOS": "1", "REAL2SIM_ENVS": "8", "REAL2SIM_STEPS": str(8 * 120 * 2), "REAL2SIM_ROWS": "16"}
SHOWS = {
    "01_video_to_states": ["video/mp4", "video/mp4", "image/gif", "iframe"],
    "02_train_a_policy": ["image/png", "image/png", "image/gif", "iframe"],
    "03_benchmark_and_compare": ["image/png", "image/png", "iframe", "image/gif"],
    "04_your_own_video": ["video/mp4", "image/gif", "image/png", "image/gif", "iframe"],
    "05_your_own_action": ["image/png", "image/png", "image/gif"],
}
"""What each shows, in order."""

each = pytest.mark.parametrize("path", PATHS, ids=lambda path: path.stem)


def cells(path, kind):
    return [cell for cell in json.loads(path.read_text())["cells"] if cell["cell_type"] == kind]


def source(cell):
    return "".join(cell["source"])


def test_there_are_the_five():
    assert [path.stem for path in PATHS] == NAMES == list(SHOWS)


@each
def test_no_output_is_committed(path):
    for cell in cells(path, "code"):
        assert cell["outputs"] == [] and cell["execution_count"] is None


@each
def test_the_badge_opens_this_notebook_from_the_repository(path):
    host, place = ADDRESS.removeprefix("https://").split("/", 1)
    assert host == "github.com"
    badge = f"https://colab.research.google.com/github/{place}/blob/main/notebooks/{path.name}"
    assert f"]({badge})" in source(cells(path, "markdown")[0])


@each
def test_the_first_cell_installs_the_package_where_it_is_not_there(path, monkeypatch):
    first, asked = source(cells(path, "code")[0]), []
    # Where nothing is installed, nothing is found; a GPU is where its driver's program is.
    monkeypatch.setattr("shutil.which", lambda name: {"nvidia-smi": "/usr/bin/nvidia-smi"}.get(name))
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    monkeypatch.setattr("subprocess.run", lambda words, check: asked.append(words))
    exec(compile(first, path.name, "exec"), {})
    (package, *_), requirements = ([word for word in words if "real2sim" in word] for words in asked)
    assert package == f"real2sim-jax[view,gpu] @ git+{ADDRESS}"
    (address,) = requirements
    assert address.startswith(ADDRESS) and (REPOSITORY / address.rsplit("/", 1)[1]).is_file()
    asked.clear()
    monkeypatch.undo()
    monkeypatch.setattr("subprocess.run", lambda words, check: asked.append(words))
    exec(compile(first, path.name, "exec"), {})
    assert asked == []


@each
def test_notebooks_define_nothing(path):
    for cell in cells(path, "code"):
        nodes = ast.walk(ast.parse(source(cell)))
        assert not [
            n for n in nodes if isinstance(n, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef | ast.Lambda)
        ]


@each
def test_what_is_imported_is_there(path):
    for cell in cells(path, "code"):
        for node in ast.walk(ast.parse(source(cell))):
            if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("real2sim_jax"):
                exec(compile(ast.Module([node], []), path.name, "exec"), {})


@each
def test_links_between_notebooks_lead_somewhere(path):
    for cell in cells(path, "markdown"):
        for link in re.findall(r"\]\((?!https:)([^)]+)\)", source(cell)):
            assert (path.parent / link).is_file(), link


@pytest.fixture(scope="module")
def executed(tmp_path_factory):
    """All of them run with tiny settings, one after another as a reader would, in a folder of their own."""
    nbformat = pytest.importorskip("nbformat", reason="needs the extra notebooks")
    from nbclient import NotebookClient

    folder = tmp_path_factory.mktemp("notebooks")
    # A video of one's own: the film that the first notebook makes, whose masks and fit are there already.
    own = {"REAL2SIM_RUNS": str(folder / "runs"), "REAL2SIM_VIDEO": str(folder / "runs" / "videos" / "made_up.mp4")}
    environment = {**os.environ, **TINY, **own}
    done = {}
    for path in PATHS:
        started = time.perf_counter()
        client = NotebookClient(nbformat.read(path, 4), timeout=600, resources={"metadata": {"path": str(folder)}})
        done[path.stem] = client.execute(env=environment)
        print(f"{path.stem}: {time.perf_counter() - started:.0f} s")
    return done


def shown(notebook):
    """The HTML of every output of a notebook."""
    outputs = [output for cell in notebook.cells if cell.cell_type == "code" for output in cell.outputs]
    pages = [str(output.data["text/html"]) for output in outputs if "text/html" in output.get("data", {})]
    return [page for page in pages if "src" in page]


@pytest.mark.slow
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("name", NAMES)
def test_a_notebook_runs_from_top_to_bottom_and_ends_in_pictures(executed, name):
    kinds = [
        "iframe" if "<iframe" in page else re.findall(r'src="data:([a-z]+/[a-z0-9]+);', page)[0]
        for page in shown(executed[name])
    ]
    assert kinds == SHOWS[name]
    for page in shown(executed[name]):
        assert len(page) > 5000
        # A frame's page brings all that it needs.
        assert not re.findall(r'<(?:script|img|link)[^>]+(?:src|href)="https?:', unescape(page))
