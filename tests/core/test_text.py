"""Text of users: whatever is wrong with it, the error is one line that names the source."""

import pickle
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from real2sim_jax.core.errors import LONGEST, UserError
from real2sim_jax.core.text import read_toml, whole_number
from real2sim_jax.data import artefacts as files

DEEP = 200_000
BROKEN = {
    "json": ("[" * DEEP, '{"a":' * DEEP, "9" * 5000, "[" * 900 + "]" * 900, "{", "", "\x00", '{"a": 1}{'),
    "toml": (
        "a = " + "[" * DEEP,
        "a = " + "{b = " * DEEP,
        f"a = {'9' * 5000}",
        "a" + ".a" * 900 + " = 1",
        "a = 1\na = 2",
        "a = 2024-13-45",
        "\x00",
    ),
    "csv": (
        f"x,y\n1,{'2' * 131_073}\n",
        'x,y\n1,"2\n',
        'x,y\n"1"2,3\n',
        "x,x,y\n1,2,3\n",
        "x,y\n1,1e308\n",
        "x,y\n\ud7ff,²\n",
    ),
}
READERS = {"json": files.read_json, "toml": read_toml, "csv": lambda path: files.read_columns(path, ["x", "y"])}


@pytest.mark.parametrize(
    ("kind", "text"), [(kind, text) for kind, texts in BROKEN.items() for text in texts], ids=range(21)
)
def test_what_cannot_be_parsed_is_one_line(tmp_path, kind, text):
    path = tmp_path / f"a.{kind}"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(UserError) as caught:
        READERS[kind](path)
    assert str(caught.value).startswith(f"{path}: ") and len(str(caught.value).splitlines()) == 1


@given(st.binary(max_size=200), st.sampled_from(sorted(READERS)))
def test_any_bytes_are_read_or_one_line(tmp_path_factory, data, kind):
    path = tmp_path_factory.mktemp("texts") / f"a.{kind}"
    path.write_bytes(data)
    try:
        READERS[kind](path)
    except UserError as error:
        assert len(str(error).splitlines()) == 1


def test_a_mark_of_byte_order_is_no_content(tmp_path):
    for kind, text, value in (("json", "[1]", [1]), ("toml", "a = 1", {"a": 1})):
        (tmp_path / kind).write_bytes(b"\xef\xbb\xbf" + text.encode())
        assert READERS[kind](tmp_path / kind) == value


def test_lines_are_counted_as_an_editor_counts_them(tmp_path):
    (tmp_path / "a.csv").write_text('name,x\n"of two\nlines",1\n\nb,none\n')
    with pytest.raises(UserError, match="line 3, column 'name'"):
        files.read_columns(tmp_path / "a.csv", ["x"])


@given(st.text(max_size=50))
def test_a_message_is_one_line_whatever_it_quotes(name):
    message = str(UserError(f"{name}: wrong"))
    assert message.isprintable() and len(message.splitlines()) == 1 and message.endswith(": wrong")
    assert str(UserError(message)) == message, "an error within an error is not spelt out twice"


def test_a_long_message_keeps_its_ends_and_an_error_crosses_processes():
    error = UserError("begin " + "x" * 1_000_000 + "\n end")
    assert len(str(error)) < LONGEST + 10 and str(error).startswith("begin x") and str(error).endswith("x\\n end")
    assert str(pickle.loads(pickle.dumps(error))) == str(error)


@given(st.text(max_size=12) | st.integers(-10, 10**12).map(str))
def test_whole_numbers(text):
    if re.fullmatch("[0-9]{1,9}", text):
        assert whole_number(text) == int(text)
    else:
        with pytest.raises(UserError, match="expected a whole number"):
            whole_number(text)
