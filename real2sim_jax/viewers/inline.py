"""Pages and pictures as parts of another page, such as a notebook's output, with nothing from the network."""

import base64
from html import escape
from pathlib import Path

from real2sim_jax.core.errors import UserError

KINDS = {".png": "image/png", ".gif": "image/gif", ".mp4": "video/mp4"}


def framed_page(path: str | Path, height_px: int = 480) -> str:
    """Return HTML that shows a page which is one file, as `page3d.save_page` writes it; UserError without the file."""
    text = _content(path).decode("utf-8")
    style = f"width: 100%; height: {height_px}px; border: 0"
    return f'<div><iframe style="{style}" srcdoc="{escape(text)}"></iframe></div>'


def picture(path: str | Path) -> str:
    """Return HTML that shows a .png or .gif, or plays an .mp4 again and again; UserError for other files or none."""
    kind = KINDS.get(Path(path).suffix)
    if kind is None:
        raise UserError(f"{path}: expected a file that ends in {', '.join(KINDS)}")
    source = f'src="data:{kind};base64,{base64.b64encode(_content(path)).decode()}" style="max-width: 100%"'
    name = escape(Path(path).name)
    return (
        f'<img alt="{name}" {source}>' if kind.startswith("image") else f"<video controls loop muted {source}></video>"
    )


def _content(path: str | Path) -> bytes:
    if not Path(path).is_file():
        raise UserError(f"{path}: expected a file, found nothing")
    return Path(path).read_bytes()
