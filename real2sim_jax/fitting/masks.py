"""Fitting to masks: the boxes around them give the scene, the silhouettes then settle what boxes leave open."""

from collections.abc import Callable, Sequence
from functools import partial

import cv2
import jax
import jax.numpy as jnp
import numpy as np

from real2sim_jax.config.fitting import Scales
from real2sim_jax.data.types import Array, MaskTrack
from real2sim_jax.fitting.goal import goal_term
from real2sim_jax.fitting.losses import loss_terms, total
from real2sim_jax.fitting.minimise import Problem, Schedule, descend
from real2sim_jax.fitting.parameters import Parameters, decode, from_free, shown_position
from real2sim_jax.perception.boxes import MIN_AREA
from real2sim_jax.rendering.silhouettes import soft_masks


def refine_on_masks(
    problems: Sequence[Problem],
    masks: Sequence[Array],
    schedule: Schedule,
    scales: Scales,
    progress: Callable[[float], None] = lambda done: None,
) -> list[Problem]:
    """Return the problems after further steps on the silhouettes; masks (T, 3, H, W) are padded like the problems.

    One video at a time, so that memory does not grow with their number.
    """
    done: list[Problem] = []
    for problem, observed in zip(problems, masks, strict=True):
        packed = np.round(255.0 * np.asarray(observed)).astype(np.uint8)
        refined = _refine(problem, packed, schedule, scales)
        done.append(jax.tree.map(np.asarray, refined))
        progress(len(done) / len(problems))
    return done


def prepare_masks(track: MaskTrack, frames: int, bodies: int, width: int) -> np.ndarray:
    """Return masks (frames, bodies, H, width) averaged down to `width` pixels, empty where the track has none."""
    masks = np.asarray(track.masks, np.float32)
    image = np.asarray(track.image_size, float)
    size = width, max(1, round(width * image[1] / image[0]))
    coarse = np.zeros((frames, bodies, size[1], size[0]), np.float32)
    for t, body in np.ndindex(masks.shape[:2]):
        coarse[t, body] = cv2.resize(masks[t, body], size, interpolation=cv2.INTER_AREA)
    return coarse


def mask_term(rendered: Array, observed: Array, seen: Array) -> Array:
    """Return squared errors of masks (T, B, H, W), each frame's and body's over the foreground's area, mean over seen.

    A mask that is missed altogether costs 1, whatever its size. Source: Petrik et al., CoRL 2020, balanced mask loss.
    """
    area = jnp.maximum(jnp.sum(observed, axis=(2, 3)), MIN_AREA)
    error = jnp.sum((rendered - observed) ** 2, axis=(2, 3)) / area
    return jnp.sum(jnp.where(seen, jnp.minimum(error, 4.0), 0.0)) / jnp.maximum(jnp.sum(seen), 1)


def _mask_loss(free: Parameters, problem: Problem, observed: Array, scales: Scales) -> Array:
    track = decode(free, problem.observed, problem.rules, problem.on_anchor)
    values = from_free(free, len(problem.observed.valid))
    terms = loss_terms(track, values, problem.observed, problem.rules, problem.on_anchor, scales)
    resolution = observed.shape[3], observed.shape[2]
    shown = shown_position(track, values.hand_reach)
    # A body that takes no part must hide nothing: it is moved out of the way.
    absent = jnp.where(problem.rules.present[:, None], 0.0, jnp.asarray([0.0, 0.0, -100.0]))
    rendered = soft_masks(track.half_extents, shown + absent, track.wxyz, track.camera, resolution)
    seen = problem.observed.seen & problem.observed.valid[:, None] & problem.rules.present
    terms["masks"] = scales.mask_fraction**-2 * mask_term(rendered, observed / 255.0, seen)
    return total(terms) + goal_term(track, problem.goal, problem.observed.valid, scales)


@jax.jit
def _refine(problem: Problem, observed: Array, schedule: Schedule, scales: Scales) -> Problem:
    evaluate = jax.value_and_grad(partial(_mask_loss, scales=scales))
    return descend(lambda free: evaluate(free, problem, observed), problem, schedule)
