"""Checkpoints of segment-anything, with tiny real models: what is loaded, what it cuts, and what is no checkpoint."""

import sys

import cv2
import numpy as np
import pytest

from real2sim_jax.core.errors import UserError
from real2sim_jax.perception.promptable import CORNER_HIGH, CORNER_LOW, INSIDE, OUTSIDE
from real2sim_jax.perception.sam import load_sam
from real2sim_jax.perception.segmentation import segmenter_named
from real2sim_jax.perception.torchvision_shim import torchvision_or_shim
from tests.perception import scenes
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
    sam = load_sam(tmp_path / "tiny.pth")
    points, kinds = [[100, 120], [20, 20], [300, 150]], [INSIDE, OUTSIDE, OUTSIDE]
    expected = logits_by_hand(model, IMAGE, BOX, points, [1, 0, 0])
    # Random weights may take all of a picture or nothing: half of it tells the most.
    sam._predictor.model.mask_threshold = float(np.median(expected))
    asked = np.concatenate([points, BOX.reshape(2, 2)])
    cut = sam.cut(sam.embed(IMAGE), IMAGE.shape[:2], asked, [*kinds, CORNER_LOW, CORNER_HIGH])
    # Embeddings are kept in half precision.
    assert (cut.mask == (expected > np.median(expected))).mean() > 0.98


def test_embeddings_of_two_pictures_are_asked_in_any_order(checkpoint):
    sam = load_sam(checkpoint)
    pictures = [IMAGE, np.ascontiguousarray(255 - IMAGE[:, :200])]
    embeddings = [sam.embed(picture) for picture in pictures]
    ask = [(e, p.shape[:2], np.array([[100.0, 120.0]]), [INSIDE]) for e, p in zip(embeddings, pictures, strict=True)]
    first, second, again = sam.cut(*ask[0]), sam.cut(*ask[1]), sam.cut(*ask[0])
    assert np.array_equal(first.mask, again.mask) and first.quality == again.quality
    assert second.mask.shape == (IMAGE.shape[0], 200) and second.quality != first.quality


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


def test_a_checkpoint_belongs_to_sam(checkpoint):
    with pytest.raises(UserError, match="auto: --checkpoint belongs to sam alone"):
        segmenter_named("auto", checkpoint)


def test_without_torch_the_user_is_told_what_to_install(monkeypatch, tmp_path):
    monkeypatch.setattr("real2sim_jax.perception.sam.find_spec", lambda name: None if name == "torch" else name)
    with pytest.raises(UserError, match=r"needs torch: pip install 'real2sim-jax\[sam\]'"):
        load_sam(tmp_path / "any.pth")


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
