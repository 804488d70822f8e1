"""What is put into another page holds its content, and refers to nothing outside."""

import base64
import re
from html import unescape

import pytest

from real2sim_jax.core.errors import UserError
from real2sim_jax.viewers.inline import framed_page, picture

PAGE = "<!doctype html><p title=\"a 'b'\">1 < 2 &amp; ünd</p>"


def test_a_framed_page_is_the_page(tmp_path):
    (tmp_path / "page.html").write_text(PAGE, encoding="utf-8")
    found = re.fullmatch(r'<div><iframe style="[^"]*height: 300px[^"]*" srcdoc="([^"]*)"></iframe></div>',
                         framed_page(tmp_path / "page.html", 300))  # fmt: skip
    assert found is not None and unescape(found[1]) == PAGE


@pytest.mark.parametrize(("name", "tag", "kind"), [("a.png", "img", "image/png"), ("a.gif", "img", "image/gif"),
                                                  ("a.mp4", "video", "video/mp4")])  # fmt: skip
def test_a_picture_is_its_file(tmp_path, name, tag, kind):
    (tmp_path / name).write_bytes(b"\x00picture\xff")
    found = re.match(rf'<{tag} [^>]*src="data:{kind};base64,([^"]+)"', picture(tmp_path / name))
    assert found is not None and base64.b64decode(found[1]) == b"\x00picture\xff"


def test_other_files_and_none_are_refused(tmp_path):
    (tmp_path / "a.svg").write_text("<svg/>")
    with pytest.raises(UserError, match=r"ends in \.png, \.gif, \.mp4"):
        picture(tmp_path / "a.svg")
    for show in (lambda: picture(tmp_path / "none.png"), lambda: framed_page(tmp_path / "none.html")):
        with pytest.raises(UserError, match="expected a file, found nothing"):
            show()
