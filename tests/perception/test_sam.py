"""The segmenter sam with tiny real models: what it loads and cuts, what it does not take, and the way to masks.npz."""

import sys

import cv2
import numpy as np
import pytest

from real2sim_jax.core.errors import UserError
from real2sim_jax.data.artefacts import load, load_header
from real2sim_jax.data.types import MaskTrack
from real2sim_jax.perception.cutting import cut_again, cut_box, cut_hand, cut_hand_box
from real2sim_jax.perception.hands import HandSeed
from real2sim_jax.perception.sam import load_cutter
from real2sim_jax.perception.segmentation import segmenter_named
from real2sim_jax.perception.things import ObjectLabels
from real2sim_jax.perception.torchvision_shim import torchvision_or_shim
from tests.command_line import exit_code
from tests.perception import scenes
from tests.perception.clips import write_clip
from tests.perception.tiny_sam import SIDE_PX, save_tiny_sam

pytestmark = pytest.mark.long

torch = pytest.importorskip("torch", reason="needs the extra sam")
IMAGE = scenes.push(frames=9).frames[0]
BOX = np.array([76.0, 100.0, 124.0, 140.0])


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory):
    path = tmp_path_factory.mktemp("weights") / "tiny.pth"
    save_tiny_sam(path)
    return path


def logits_by_hand(model, image, box, points, kinds):
    """What a model makes of a box and points, without segment-anything's predictor: scaled, normalised, padded."""
    scale = SIDE_PX / max(image.shape[:2])
    height, width = (round(scale * side) for side in image.shape[:2])
    from PIL import Image

    small = np.asarray(Image.fromarray(image).resize((width, height), Image.Resampling.BILINEAR), np.float32)
    normal = (small - (123.675, 116.28, 103.53)) / (58.395, 57.12, 57.375)
    padded = np.zeros((SIDE_PX, SIDE_PX, 3), np.float32)
    padded[:height, :width] = normal
    with torch.no_grad():
        features = model.image_encoder(torch.tensor(padded).permute(2, 0, 1)[None])
        places = torch.tensor(scale * np.asarray(points), dtype=torch.float)[None]
        sparse, dense = model.prompt_encoder(
            points=(places, torch.tensor(kinds)[None]),
            boxes=torch.tensor(scale * np.asarray(box), dtype=torch.float)[None],
            masks=None,
        )
        low, _ = model.mask_decoder(features, model.prompt_encoder.get_dense_pe(), sparse, dense, False)
        resize = torch.nn.functional.interpolate
        full = resize(low, (SIDE_PX, SIDE_PX), mode="bilinear", align_corners=False)[..., :height, :width]
        return resize(full, image.shape[:2], mode="bilinear", align_corners=False)[0, 0].numpy()


@pytest.mark.parametrize("windows", [(True, False), (False, False), (True, True, False)], ids=str)
def test_the_model_is_told_from_the_checkpoint_and_cuts_as_its_own_classes_do(tmp_path, windows):
    model = save_tiny_sam(tmp_path / "tiny.pth", seed=1, windows=windows)
    cutter = load_cutter(tmp_path / "tiny.pth")
    expected = logits_by_hand(model, IMAGE, BOX, [[100, 120], [20, 20], [300, 150]], [1, 0, 0])
    # Random weights may take all of a picture or nothing: half of it tells the most.
    cutter._predictor.model.mask_threshold = float(np.median(expected))
    mask = cutter(IMAGE, BOX, [[100, 120]], [[20, 20], [300, 150]])
    assert (mask == (expected > np.median(expected))).mean() > 0.99


def test_another_picture_is_encoded_anew_and_the_same_one_is_not(checkpoint):
    cutter = load_cutter(checkpoint)
    first, asked = cutter(IMAGE, BOX), cutter._predictor.set_image
    pictures = []
    cutter._predictor.set_image = lambda image: pictures.append(image) or asked(image)
    assert np.array_equal(cutter(IMAGE.copy(), BOX), first) and not pictures
    other = cutter(255 - IMAGE, BOX)
    assert len(pictures) == 1 and not np.array_equal(other, first)
    del cutter._predictor.set_image


def test_from_a_video_and_a_checkpoint_to_masks(checkpoint, tmp_path, capsys):
    scene = scenes.push(frames=24, pace=0.55)
    clip = write_clip(tmp_path / "push.mp4", scene.frames, rate=12)
    words = ("segment", clip, "--checkpoint", checkpoint, "--out", tmp_path / "out")
    code = exit_code(*words, "--prompt", "moved=76,100,124,140@0", "--prompt", "hand=0,100,100,170@9")
    assert code == 0, capsys.readouterr().err
    track = load(tmp_path / "out" / "push" / "masks.npz", MaskTrack)
    hints = load_header(tmp_path / "out" / "push" / "masks.npz")["config"]
    assert hints["segmenter"] == "sam" and len(hints["checkpoint"]) == 64
    _, y1, x2, _ = BOX.astype(int)
    start = np.asarray(track.masks)[0, 1] > 0.5
    assert start.any() and not start[: y1 - 8].any() and not start[:, x2 + 8 :].any() and track.touching.any()


class Filler:
    """A cutter that fills its box but for a margin, and keeps what it was asked."""

    def __init__(self, margin=0):
        self.margin, self.asked = margin, []

    def __call__(self, image, box, inside=None, outside=None):
        self.asked.append((box, inside, outside))
        x1, y1, x2, y2 = np.round(box).astype(int)
        mask = np.zeros(image.shape[:2], bool)
        mask[y1 + self.margin : y2 - self.margin, x1 + self.margin : x2 - self.margin] = True
        return mask


def two_things():
    things = ObjectLabels(np.zeros(IMAGE.shape[:2], np.uint8))
    plate, cup = np.zeros((2, *IMAGE.shape[:2]), bool)
    plate[60:120, 60:160] = True
    plate[60:70, 60:70] = False
    cup[80:100, 100:120] = True
    return things, things.add(plate), things.add(cup)


def test_things_are_asked_for_by_box_and_middle_and_what_lies_on_another_stays_on_it():
    things, plate, cup = two_things()
    filler = Filler()
    cut_again(things, IMAGE, filler)
    (box, inside, outside), (small, _, _) = filler.asked
    assert box.tolist() == [60, 60, 160, 120] and small.tolist() == [100, 80, 120, 100]
    assert things.labels[int(inside[0, 1]), int(inside[0, 0])] == plate
    assert things.labels[int(outside[0, 1]), int(outside[0, 0])] == cup
    assert things.labels[65, 65] == plate, "the corner is filled"
    assert (things.labels == cup).sum() == 400


def test_what_does_not_agree_is_not_taken():
    things, _, _ = two_things()
    before = things.labels.copy()
    cut_again(things, IMAGE, Filler(margin=20))
    assert np.array_equal(things.labels, before)
    assert cut_box(IMAGE, (76, 100, 124, 140), Filler(19), network=False).sum() > 500, "GrabCut instead"
    assert cut_box(IMAGE, (76, 100, 124, 140), Filler(), network=False).sum() == 48 * 40


def test_hands_are_cut_by_landmarks_or_boxes():
    points = np.stack([np.linspace(80, 140, 21), 90 + 20 * np.sin(np.arange(21))], axis=1)
    seed, filler = HandSeed(points, 0.9), Filler()
    drawn, cut = seed.mask(IMAGE.shape[:2]), cut_hand(IMAGE, seed, filler)
    assert cut[drawn].all() and cut.sum() > drawn.sum() and np.array_equal(filler.asked[0][1], points)
    assert np.array_equal(cut_hand(IMAGE, seed, Filler(margin=20)), drawn)
    assert np.array_equal(cut_hand(IMAGE, seed, None), drawn)
    assert cut_hand_box(IMAGE, (-5, 10, 40, 50), None).sum() == 40 * 40
    assert cut_hand_box(IMAGE, (10, 10, 40, 50), Filler(5)).sum() == 20 * 30


def test_what_is_no_checkpoint_costs_one_line(checkpoint, tmp_path):
    (tmp_path / "text.pth").write_text("no weights")
    torch.save(torch.zeros(3), tmp_path / "tensor.pth")
    torch.save({"conv.weight": torch.zeros(3, 3)}, tmp_path / "other.pth")
    torch.save({"weights": scenes.Scene}, tmp_path / "pickle.pth")
    whole = torch.load(checkpoint, weights_only=True)
    torch.save({k: v for k, v in whole.items() if "iou_token" not in k}, tmp_path / "part.pth")
    torch.save({k: v[:1] if "neck.1" in k else v for k, v in whole.items()}, tmp_path / "shape.pth")
    (tmp_path / "cut.pth").write_bytes(checkpoint.read_bytes()[:3000])
    says = {
        "none": "found nothing",
        "text": "damaged or foreign file",
        "tensor": "got a Tensor",
        "other": "segment-anything .ViT-B, L or H",
        "pickle": "weights alone",
        "part": "got other weights",
        "shape": "got other weights",
        "cut": "damaged or foreign file",
    }
    for name, text in says.items():
        with pytest.raises(UserError, match=text) as caught:
            segmenter_named("sam", tmp_path / f"{name}.pth")
        assert "\n" not in str(caught.value)


def test_sam_and_checkpoint_belong_together(checkpoint):
    with pytest.raises(UserError, match="sam: expected --checkpoint FILE"):
        segmenter_named("sam")
    with pytest.raises(UserError, match="auto: expected --checkpoint FILE with sam alone"):
        segmenter_named("auto", checkpoint)


def test_without_torch_the_user_is_told_what_to_install(monkeypatch, tmp_path):
    monkeypatch.setattr("real2sim_jax.perception.sam.find_spec", lambda name: None if name == "torch" else name)
    with pytest.raises(UserError, match=r"needs torch: pip install 'real2sim-jax\[sam\]'"):
        load_cutter(tmp_path / "any.pth")


@pytest.fixture
def shim(monkeypatch):
    """The functions that segment-anything gets where torchvision is not installed."""
    monkeypatch.setattr("real2sim_jax.perception.torchvision_shim.find_spec", lambda name: None)
    with torchvision_or_shim():
        from torchvision.ops.boxes import batched_nms, box_area
        from torchvision.transforms.functional import resize, to_pil_image

        yield batched_nms, box_area, resize, to_pil_image


def test_the_shim_is_gone_afterwards(shim):
    assert "torchvision" in sys.modules
    with torchvision_or_shim():
        pass
    assert not [name for name in sys.modules if name.startswith("torchvision")]


def test_an_installed_torchvision_is_left_alone(monkeypatch):
    monkeypatch.setattr("real2sim_jax.perception.torchvision_shim.find_spec", lambda name: "found")
    with torchvision_or_shim():
        assert "torchvision" not in sys.modules


def test_the_shim_resizes_pictures(shim):
    _, _, resize, to_pil_image = shim
    small = np.asarray(resize(to_pil_image(IMAGE), (45, 80)))
    expected = cv2.resize(IMAGE, (80, 45), interpolation=cv2.INTER_AREA)
    assert small.shape == (45, 80, 3) and np.abs(small.astype(int) - expected).mean() < 2.0
    assert np.array_equal(np.asarray(to_pil_image(IMAGE[..., 0])), IMAGE[..., 0])


def test_the_shim_suppresses_what_a_better_box_of_its_category_covers(shim):
    batched_nms, box_area, _, _ = shim
    generator = np.random.default_rng(0)
    low = generator.uniform(0, 60, (40, 2))
    boxes = np.concatenate([low, low + generator.uniform(10, 40, (40, 2))], axis=1)
    scores, kinds = generator.uniform(size=40), generator.integers(0, 2, 40)
    assert np.allclose(box_area(torch.tensor(boxes)), np.prod(boxes[:, 2:] - boxes[:, :2], axis=1))
    kept = batched_nms(torch.tensor(boxes), torch.tensor(scores), torch.tensor(kinds), 0.3).tolist()
    expected = []
    for place in np.argsort(-scores):
        if all(kinds[k] != kinds[place] or overlap(boxes[k], boxes[place]) <= 0.3 for k in expected):
            expected.append(int(place))
    assert kept == expected and 2 < len(kept) < 40
    assert batched_nms(torch.zeros((0, 4)), torch.zeros(0), torch.zeros(0), 0.5).tolist() == []


def overlap(a, b):
    common = np.prod(np.clip(np.minimum(a[2:], b[2:]) - np.maximum(a[:2], b[:2]), 0, None))
    return common / (np.prod(a[2:] - a[:2]) + np.prod(b[2:] - b[:2]) - common)
