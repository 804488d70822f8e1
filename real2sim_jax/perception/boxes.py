"""One box per body and frame: from loose annotated ones (bad out, duplicates sorted, borders clipped), and of masks."""

from collections.abc import Sequence

import numpy as np

from real2sim_jax.core.errors import UserError
from real2sim_jax.data.types import ANCHOR, MOVED, Array, BoxTrack, MaskTrack

FrameBoxes = list[tuple[int, np.ndarray]]
"""One frame's (body, box (4,) px x1 y1 x2 y2); a body may come several times or never."""
MAX_BAD_FRACTION = 0.5
MIN_AREA = 12
"""A body of fewer pixels in a mask counts as not seen."""


def assemble_boxes(
    frames: Sequence[FrameBoxes], bodies: int, size_px: tuple[int, int]
) -> tuple[np.ndarray, np.ndarray]:
    """Return boxes (T, B, 4) px clipped to the image, 0 where not seen, and seen (T, B) bool.

    Of several boxes of one label the one that continues the body's track counts. A moved object that has no box of
    its own anywhere takes the spare boxes of the anchor (annotators give two objects one label).
    UserError when a coordinate is not finite or most boxes are empty or outside the image.
    """
    usable = _usable(frames, size_px)
    candidates = [[[box for body, box in frame if body == index] for frame in usable] for index in range(bodies)]
    spare: list[list[np.ndarray]] = [[] for _ in usable]
    tracks = []
    for index in range(bodies):
        track, rest = _one_per_frame(candidates[index])
        tracks.append(track)
        spare = rest if index == ANCHOR else spare
    if bodies > ANCHOR and not any(box is not None for box in tracks[MOVED]):
        tracks[MOVED] = _one_per_frame(spare)[0]
    seen = np.array([[track[t] is not None for track in tracks] for t in range(len(usable))])
    boxes = np.array([[np.zeros(4) if track[t] is None else track[t] for track in tracks] for t in range(len(usable))])
    return boxes.astype(np.float32), seen


def _usable(frames: Sequence[FrameBoxes], size_px: tuple[int, int]) -> list[FrameBoxes]:
    limit = np.array([*size_px, *size_px], float)
    total = bad = 0
    usable: list[FrameBoxes] = []
    for number, frame in enumerate(frames, start=1):
        kept: FrameBoxes = []
        for body, box in frame:
            if not np.isfinite(box).all():
                raise UserError(
                    f"frame {number}: a box of body {body} is not finite: {box.tolist()}; correct or remove it"
                )
            clipped = np.clip(box, 0.0, limit)
            whole = bool((box[2:] > box[:2]).all() and (clipped[2:] - clipped[:2] >= 1.0).all())
            total, bad = total + 1, bad + (not whole)
            kept += [(body, clipped)] if whole else []
        usable.append(kept)
    if total and bad > MAX_BAD_FRACTION * total:
        raise UserError(f"{bad} of {total} boxes are empty or outside the image of {size_px[0]}x{size_px[1]} px")
    return usable


def _one_per_frame(
    candidates: Sequence[Sequence[np.ndarray]],
) -> tuple[list[np.ndarray | None], list[list[np.ndarray]]]:
    """Follow one track: frames with a single box are sure, the others take the box nearest to the last sure one."""
    sure = [t for t, boxes in enumerate(candidates) if len(boxes) == 1]
    track: list[np.ndarray | None] = []
    rest: list[list[np.ndarray]] = []
    for t, boxes in enumerate(candidates):
        near = min(sure, key=lambda s, t=t: abs(s - t)) if sure else None
        reference = (
            candidates[near][0] if near is not None else next((b for b in reversed(track) if b is not None), None)
        )
        order = sorted(boxes, key=lambda box: _apart(box, reference)) if boxes else []
        track.append(order[0] if order else None)
        rest.append(order[1:])
    return track, rest


def _apart(box: np.ndarray, reference: np.ndarray | None) -> float:
    """Distance from the reference's corners; without one the larger box is the better."""
    if reference is None:
        return float(-np.prod(box[2:] - box[:2]))
    return float(np.abs(box - reference).sum())


def gap(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Distance (...) px between boxes (..., 4); negative is the depth of their overlap."""
    apart = np.maximum(a[..., :2] - b[..., 2:], b[..., :2] - a[..., 2:])
    return apart.max(axis=-1)


def box_iou(a: Array, b: Array) -> np.ndarray:
    """Return intersection over union (...) of boxes (..., 4); 0 where both are empty."""
    a, b = np.asarray(a, float), np.asarray(b, float)
    low, high = np.maximum(a[..., :2], b[..., :2]), np.minimum(a[..., 2:], b[..., 2:])
    common = np.prod(np.maximum(high - low, 0.0), axis=-1)
    union = np.prod(np.maximum(a[..., 2:] - a[..., :2], 0.0), -1) + np.prod(
        np.maximum(b[..., 2:] - b[..., :2], 0.0), -1
    )
    return common / np.maximum(union - common, 1e-9)


def boxes_of_masks(track: MaskTrack) -> BoxTrack:
    """Return the boxes (px of the video) around masks at least half set; a body with hardly a pixel is not seen."""
    masks = np.asarray(np.asarray(track.masks) > 0.5)
    seen = np.asarray(track.seen, bool) & (masks.sum(axis=(2, 3)) >= MIN_AREA)
    step = np.asarray(track.image_size, float) / np.array([masks.shape[3], masks.shape[2]])
    columns, rows = np.asarray(masks.any(axis=2)), np.asarray(masks.any(axis=3))
    low = np.stack([columns.argmax(-1), rows.argmax(-1)], axis=-1) * step
    size = np.array([masks.shape[3], masks.shape[2]])
    high = (size - np.stack([columns[..., ::-1].argmax(-1), rows[..., ::-1].argmax(-1)], axis=-1)) * step
    boxes = np.where(seen[..., None], np.concatenate([low, high], axis=-1), 0.0).astype(np.float32)
    times = {name: getattr(track, name) for name in ("touching", "acting", "valid", "dt", "image_size")}
    return BoxTrack(boxes, seen, **times)
