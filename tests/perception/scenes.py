"""Made-up clips of an arm that moves things on a table, with the truth of every pixel."""

from dataclasses import dataclass

import cv2
import numpy as np

WIDTH, HEIGHT = 320, 180
SKIN = (196, 142, 112)


@dataclass(frozen=True)
class Scene:
    """A clip and its truth."""

    frames: np.ndarray
    """(T, H, W, 3) uint8 RGB."""
    labels: np.ndarray
    """(T, H, W): 0 none, 1 hand, 2 moved, 3 anchor."""


def table(seed=0, colours=((172, 150, 120), (120, 128, 134))):
    """A wooden table before a wall."""
    rng = np.random.default_rng(seed)
    base = np.zeros((HEIGHT, WIDTH, 3), np.float32)
    base[: HEIGHT // 3], base[HEIGHT // 3 :] = colours[1], colours[0]
    for scale in (4, 16, 48):
        size = WIDTH // scale + 2, HEIGHT // scale + 2
        noise = cv2.resize(
            rng.normal(0, 7, size[::-1]).astype(np.float32), (WIDTH, HEIGHT), interpolation=cv2.INTER_CUBIC
        )
        base += noise[..., None]
    return base


def texture(colour, seed, size=120):
    rng = np.random.default_rng(seed)
    noise = cv2.GaussianBlur(rng.normal(0, 60, (size, size)).astype(np.float32), (0, 0), 3)
    stripes = 18 * np.sign(np.sin(np.arange(size) / 5.0))[None, :]
    return np.clip(np.array(colour)[None, None] + (noise + stripes)[..., None], 0, 255).astype(np.float32)


def stamp(image, labels, mask, picture, label, origin):
    """Paint a picture fixed to a thing's origin through a mask."""
    rows, columns = np.nonzero(mask)
    size = picture.shape[0]
    image[rows, columns] = picture[(rows - int(origin[1])) % size, (columns - int(origin[0])) % size]
    labels[rows, columns] = label


def box_mask(centre, half):
    mask = np.zeros((HEIGHT, WIDTH), np.uint8)
    x, y = centre
    cv2.rectangle(mask, (round(x - half[0]), round(y - half[1])), (round(x + half[0]), round(y + half[1])), 1, -1)
    return mask > 0


def arm_mask(tip, root):
    """A forearm from a point outside the image to a hand with fingers at its tip."""
    mask = np.zeros((HEIGHT, WIDTH), np.uint8)
    tip, root = np.asarray(tip, float), np.asarray(root, float)
    along = (root - tip) / np.linalg.norm(root - tip)
    across = np.array([-along[1], along[0]])
    palm = tip + 20 * along
    cv2.line(mask, tuple(np.round(palm).astype(int)), tuple(np.round(root).astype(int)), 1, 22)
    cv2.circle(mask, tuple(np.round(palm).astype(int)), 15, 1, -1)
    for side in (-9, -3, 3, 9):
        end = tip + side * across + abs(side) / 3 * along
        cv2.line(mask, tuple(np.round(palm + side * across).astype(int)), tuple(np.round(end).astype(int)), 1, 6)
    return mask > 0


def smooth(share):
    share = np.clip(share, 0, 1)
    return share**3 * (10 - 15 * share + 6 * share**2)


def render(things, arm, frames, drift=None, seed=0):
    """things: (label, colour, half size, path (T, 2)), drawn in order; arm: tips and roots (T, 2) or None."""
    background = table(seed)
    rng = np.random.default_rng(seed + 1)
    pictures = [texture(colour, seed + 2 + i) for i, (_, colour, _, _) in enumerate(things)]
    skin = texture(SKIN, seed + 50) * 0.25 + 0.75 * np.array(SKIN, np.float32)
    images, truths = [], []
    for t in range(frames):
        image, labels = background.copy(), np.zeros((HEIGHT, WIDTH), np.uint8)
        for (label, _, half, path), picture in zip(things, pictures, strict=True):
            if np.isfinite(path[t]).all():
                stamp(image, labels, box_mask(path[t], half), picture, label, path[t])
        if arm is not None and np.isfinite(arm[0][t]).all():
            stamp(image, labels, arm_mask(arm[0][t], arm[1][t]), skin, 1, arm[0][t])
        image = cv2.GaussianBlur(image, (0, 0), 0.7)
        if drift is not None:
            matrix = np.float32([[1, 0, drift[t][0]], [0, 1, drift[t][1]]])
            image = cv2.warpAffine(image, matrix, (WIDTH, HEIGHT), borderMode=cv2.BORDER_REPLICATE)
            labels = cv2.warpAffine(labels, matrix, (WIDTH, HEIGHT), flags=cv2.INTER_NEAREST)
        images.append(np.clip(image + rng.normal(0, 2, image.shape), 0, 255).astype(np.uint8))
        truths.append(np.where(labels > 3, 0, labels))
    return Scene(np.stack(images), np.stack(truths))


def line(start, end, share):
    return np.asarray(start) + share[:, None] * (np.asarray(end) - np.asarray(start))


def push(frames=42, drift=None, seed=0, colour=(60, 90, 190), distance=130, neighbours=(), pace=1.0, arm=True):
    """A hand comes from the left, pushes a box to the right, and leaves; pace 1 is 42 frames."""
    t = np.arange(frames) / pace
    way = line((100, 120), (100 + distance, 120), smooth((t - 14) / 14))
    withdrawn = 1 - smooth(t / 13) + smooth((t - 29) / 10)
    tips = way - (22, 0) - withdrawn[:, None] * np.array([150 + distance, 0])
    roots = tips - (300, 60)
    things = [(9, colour, (20, 16), np.tile(place, (frames, 1))) for place in neighbours]
    return render([*things, (2, colour, (20, 16), way)], (tips, roots) if arm else None, frames, drift, seed)


def pick_up(frames=36, seed=1):
    """A hand comes from the right, grasps and lifts; it is still there at the end."""
    t = np.arange(frames)
    way = line((150, 130), (170, 70), smooth((t - 14) / 14))
    tips = way + (14, -6) + (1 - smooth(t / 13))[:, None] * np.array([190, -20])
    return render([(2, (190, 60, 60), (17, 20), way)], (tips, tips + np.array([300, -60])), frames, None, seed)


def put(onto=False, frames=40, seed=2, pace=1.0):
    """A hand brings a box beside or onto another one, and leaves; pace 1 is 40 frames."""
    t = np.arange(frames) / pace
    anchor = np.tile((130.0, 125.0), (frames, 1))
    end = (130, 92) if onto else (205, 128)
    way = line((360, 60), end, smooth((t - 4) / 18))
    tips = way + (10, -8) + smooth((t - 25) / 10)[:, None] * np.array([240, -40])
    things = [(3, (70, 140, 80), (32, 20), anchor), (2, (60, 90, 190), (16, 13), way)]
    return render(things, (tips, tips + np.array([300, -60])), frames, None, seed)


def iou(found, truth):
    both = (found & truth).sum(axis=(1, 2))
    return both / np.maximum((found | truth).sum(axis=(1, 2)), 1)
