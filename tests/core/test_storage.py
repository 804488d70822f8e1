"""What is written lands in a file, whole, and never in the place of anything else."""

import os
import socket

import pytest

from real2sim_jax.cli import main
from real2sim_jax.core.errors import InputError
from real2sim_jax.core.storage import check_output, replacing


def pipe(path):
    os.mkfifo(path)


def listening(path):
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(path))


def device(path):
    if os.geteuid() != 0:
        pytest.skip("only root makes devices")
    try:
        os.mknod(path, 0o20666, os.makedev(1, 3))
    except OSError:
        pytest.skip("no devices in this folder")


def link_to_a_device(path):
    path.symlink_to("/dev/null")


@pytest.mark.parametrize("make", [pipe, listening, device, link_to_a_device])
def test_what_is_no_file_is_not_replaced(make, tmp_path, monkeypatch):
    # Names of sockets are short.
    monkeypatch.chdir(tmp_path)
    path = tmp_path.relative_to(tmp_path) / "there"
    make(path)
    before = os.lstat(path)
    for write in (check_output, lambda path: replacing(path).__enter__()):
        with pytest.raises(InputError, match="a device, a pipe or a socket"):
            write(path)
    assert os.lstat(path) == before and os.listdir() == ["there"]


def test_a_link_stays_and_its_file_is_replaced(tmp_path):
    (tmp_path / "file").write_text("old")
    (tmp_path / "link").symlink_to("file")
    with replacing(tmp_path / "link") as temporary:
        temporary.write_text("new")
    assert (tmp_path / "link").is_symlink() and (tmp_path / "file").read_text() == "new"
    assert sorted(os.listdir(tmp_path)) == ["file", "link"]


@pytest.mark.parametrize("option", ["--log", "--video"])
@pytest.mark.parametrize("place", ["folder.gif", "file/x.gif", "link.gif"])
def test_a_run_whose_outputs_cannot_be_written_does_not_begin(option, place, policy_file, tmp_path, capsys):
    (tmp_path / "folder.gif").mkdir()
    (tmp_path / "file").touch()
    (tmp_path / "link.gif").symlink_to("/dev/null")
    robot = ("--robot", "mujoco-gripper") if option == "--video" else ()
    with pytest.raises(SystemExit) as ended:
        main(["run", "--policy", str(policy_file), *robot, option, str(tmp_path / place)])
    shown = capsys.readouterr()
    assert ended.value.code == 2 and "steps of" not in shown.out
    (line,) = shown.err.splitlines()
    assert place.partition("/")[0] in line
