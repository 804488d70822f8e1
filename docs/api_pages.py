"""A page of the API reference for each room of the package, made while the site is built: none can be forgotten."""

from pathlib import Path
from typing import Any

from mkdocs.structure.files import File, Files

PACKAGE = Path(__file__).parents[1] / "real2sim_jax"


def rooms() -> list[str]:
    """Return the names of the package's modules and folders, in alphabetical order."""
    folders = [path.parent.name for path in PACKAGE.glob("*/__init__.py")]
    return sorted(folders + [path.stem for path in PACKAGE.glob("*.py") if path.stem != "__init__"])


def on_config(config: Any) -> Any:
    """Put the pages at the end of the navigation."""
    config.nav.append({"API reference": [{room: f"api/{room}.md"} for room in rooms()]})
    config.watch.append(str(PACKAGE))
    return config


def on_files(files: Files, config: Any) -> Files:
    """Add the pages."""
    for room in rooms():
        content = f"# {room}\n\n::: real2sim_jax.{room}\n"
        files.append(File.generated(config, f"api/{room}.md", content=content))
    return files
