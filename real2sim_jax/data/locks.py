"""One process at a time in a folder: a lock that the system lets go of when its holder ends, however it ends."""

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO

from real2sim_jax.core.errors import UserError

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Hold the lock of a folder, a file beside it; UserError while another holds it."""
    place = folder.absolute()
    path = place.with_name(f".{place.name}.lock")
    path.parent.mkdir(parents=True, exist_ok=True)
    with open(path, "a+b") as file:
        try:
            _hold(file)
            # Its last holder may have removed it in between.
            if not os.path.samestat(os.fstat(file.fileno()), path.stat()):
                raise BlockingIOError
        except OSError as error:
            raise UserError(f"{folder}: another process works there; wait for its end or use another folder") from error
        try:
            yield
        finally:
            # Windows does not remove what is open.
            with suppress(OSError):
                path.unlink()


def _hold(file: IO[bytes]) -> None:
    """OSError when somebody else holds the file; closing it, or the end of the process, lets go."""
    if fcntl is not None:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        return
    import msvcrt

    file.seek(0)
    msvcrt.locking(file.fileno(), msvcrt.LK_NBLCK, 1)  # type: ignore[attr-defined]
