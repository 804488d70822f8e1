"""The soft masks against exact ray casting, slow renderers in float64, finite differences, and arithmetic by hand."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from real2sim_jax.core.actions import ACTIONS
from real2sim_jax.geometry.cameras import look_at_camera
from real2sim_jax.rendering.raycast import body_masks
from real2sim_jax.rendering.silhouettes import SILHOUETTES, soft_masks
from real2sim_jax.synthetic.scenes import synthetic_scenes
from tests.rendering.oracles import HALF, SIZE, corner_pixels, hull_mask_by_hand, scene, triangle_mask_by_hand

pytestmark = pytest.mark.long

RESOLUTION = (96, 54)
render = jax.jit(soft_masks, static_argnums=4)


def float64(*values):
    return jax.tree.map(lambda leaf: jnp.asarray(leaf, jnp.float64), values)


@pytest.mark.parametrize("seed", range(4))
def test_masks_are_those_of_the_convex_hull(seed):
    position, wxyz, camera = scene(np.random.default_rng(seed))
    position, wxyz = position[:, :1], wxyz[:, :1]
    points = corner_pixels(HALF[:1], position, wxyz, camera, RESOLUTION)[0, 0]
    ours = render(HALF[:1], position, wxyz, camera, RESOLUTION, 1.5)[0, 0]
    np.testing.assert_allclose(ours, hull_mask_by_hand(points, RESOLUTION, 1.5), atol=1e-4)


@pytest.mark.parametrize("resolution", [(1, 1), (33, 47), (7, 3)])
def test_any_image_size_in_float64(resolution):
    with jax.enable_x64(True):
        position, wxyz, camera = float64(*scene(np.random.default_rng(3)))
        half, position, wxyz = jnp.asarray(HALF[:1], float), position[:, :1], wxyz[:, :1]
        points = corner_pixels(half, position, wxyz, camera, resolution)[0, 0]
        ours = np.asarray(render(half, position, wxyz, camera, resolution, 0.7)[0, 0])
    assert ours.shape == resolution[::-1] and ours.dtype == np.float64
    np.testing.assert_allclose(ours, hull_mask_by_hand(points, resolution, 0.7), atol=1e-9)


@pytest.mark.parametrize("seed", range(3))
def test_sharp_masks_cover_what_the_triangles_of_a_soft_rasteriser_cover(seed):
    position, wxyz, camera = scene(np.random.default_rng(seed))
    points = corner_pixels(HALF, position, wxyz, camera, RESOLUTION)[0, 0]
    triangles = triangle_mask_by_hand(points, RESOLUTION, 0.02)
    ours = np.asarray(render(HALF[:1], position[:, :1], wxyz[:, :1], camera, RESOLUTION, 0.02))[0, 0]
    on_the_edge = (ours > 0.01) & (ours < 0.99)
    assert on_the_edge.sum() < 20 and ours.sum() > 40
    np.testing.assert_array_equal((ours > 0.5)[~on_the_edge], (triangles > 0.5)[~on_the_edge])


@pytest.mark.parametrize("name", ["put_behind", "put_onto"])
def test_visible_parts_agree_with_ray_casting(name):
    truth = synthetic_scenes(ACTIONS[name], 1, 2)[0]
    truth = truth.replace(position=truth.position[12:36:3], wxyz=truth.wxyz[12:36:3])
    exact, _ = body_masks(truth, *RESOLUTION)
    soft = render(truth.half_extents, truth.position, truth.wxyz, truth.camera, RESOLUTION, 0.05)
    assert np.mean(np.abs(np.asarray(soft) - exact)) < 0.004
    common = np.sum(np.minimum(soft, exact)) / np.sum(np.maximum(soft, exact))
    assert common > 0.95


def one_behind_the_other():
    """A small body 30 cm before a larger one, both upright, and a camera that looks along y."""
    half = np.array([[0.03, 0.03, 0.03], [0.2, 0.05, 0.1]], np.float32)
    position = np.array([[[0.02, -0.2, 0.03], [0.0, 0.1, 0.0]]], np.float32)
    wxyz = np.tile(np.array([1.0, 0.0, 0.0, 0.0], np.float32), (1, 2, 1))
    return half, position, wxyz, look_at_camera(1.0, 0.0, 0.0, SIZE)


def test_the_nearer_body_hides_the_farther_one():
    half, position, wxyz, camera = one_behind_the_other()
    near, far = np.asarray(render(half, position, wxyz, camera, RESOLUTION, 1.0))[0]
    first, second = (corner_pixels(half, position, wxyz, camera, RESOLUTION)[0, body] for body in (0, 1))
    alone = [hull_mask_by_hand(points, RESOLUTION, 1.0) for points in (first, second)]
    np.testing.assert_allclose(near, alone[0], atol=1e-4)
    np.testing.assert_allclose(far, alone[1] * (1.0 - alone[0]), atol=1e-4)
    assert far[26, 49] < 0.1 and far[26, 40] > 0.99


def test_an_asymmetric_body_is_where_it_should_be():
    camera = look_at_camera(1.0, 0.0, 0.3, SIZE)
    position = np.array([[[0.0, 0.0, -5.0], [0.15, 0.0, 0.1]]], np.float32)
    upright = np.tile(np.array([1.0, 0.0, 0.0, 0.0], np.float32), (1, 2, 1))
    mask = np.asarray(render(HALF, position, upright, camera, RESOLUTION, 1.0))[0, 1]
    rows, columns = np.nonzero(mask > 0.5)
    assert columns.mean() > 48 and rows.mean() < 27


def test_area_of_a_face_seen_straight_on():
    camera = look_at_camera(1.0, 0.0, 0.0, SIZE)
    half = np.array([[0.01, 0.01, 0.01], [0.1, 0.001, 0.05]], np.float32)
    position = np.array([[[0.0, 0.0, -5.0], [0.0, 0.001, 0.0]]], np.float32)
    upright = np.tile(np.array([1.0, 0.0, 0.0, 0.0], np.float32), (1, 2, 1))
    mask = render(half, position, upright, camera, (427, 240), 0.1)[0, 1]
    expected = (0.2 * float(camera.focal)) * (0.1 * float(camera.focal))
    np.testing.assert_allclose(np.sum(mask), expected, rtol=0.01)


def test_one_face_has_four_edges_and_two_or_three_have_six():
    for sides in np.ndindex(3, 3, 3):
        real = [edge for edge in SILHOUETTES[sides] if edge[0] != edge[1]]
        assert len(real) == (0, 4, 6, 6)[sum(side < 2 for side in sides)]
        # A closed way around: every corner on it is left as often as it is reached.
        assert sorted(edge[0] for edge in real) == sorted(edge[1] for edge in real)


def relative_errors(values, others, target):
    """Of derivatives along five directions against central differences, as parts of the gradient's size."""

    @jax.jit
    def loss(values):
        return jnp.sum(soft_masks(*values[:3], *others, values[3]) * target)

    gradient = jax.tree.leaves(jax.jit(jax.grad(loss))(values))
    size = np.sqrt(sum(float(jnp.sum(part**2)) for part in gradient))
    generator = np.random.default_rng(0)
    for _ in range(5):
        way = [generator.normal(size=np.shape(value)) for value in values]
        # So small that no pixel comes to be nearest to another edge.
        ahead, back = (tuple(v + step * w for v, w in zip(values, way, strict=True)) for step in (1e-8, -1e-8))
        along = sum(float(jnp.sum(part * w)) for part, w in zip(gradient, way, strict=True))
        yield abs(along - float(loss(ahead) - loss(back)) / 2e-8) / size


@pytest.mark.parametrize("resolution", [RESOLUTION, (33, 47)])
def test_gradient_agrees_with_finite_differences(resolution):
    """Along half extents, positions, orientations and softness together."""
    with jax.enable_x64(True):
        position, wxyz, camera = float64(*scene(np.random.default_rng(5), frames=3))
        values = jnp.asarray(HALF[:1], float), position[:, :1], wxyz[:, :1], jnp.asarray(1.3)
        target = np.random.default_rng(0).random((3, 1, *resolution[::-1]))
        assert max(relative_errors(values, (camera, resolution), target)) < 1e-4


def test_gradient_of_hidden_bodies_agrees_with_finite_differences():
    with jax.enable_x64(True):
        half, position, wxyz, camera = float64(*one_behind_the_other())
        # Turned a little: seen straight on, edges coincide.
        wxyz = wxyz + jnp.asarray([0.0, 0.11, 0.07, 0.05])
        wxyz = wxyz / jnp.linalg.norm(wxyz, axis=-1, keepdims=True)
        target = np.random.default_rng(0).random((1, 2, *RESOLUTION[::-1]))
        errors = relative_errors((half, position, wxyz, jnp.asarray(1.0)), (camera, RESOLUTION), target)
        assert max(errors) < 1e-4


PLACES = {
    "before the camera": (0.0, 0.0, 0.1),
    "behind the camera": (0.0, -3.0, 0.3),
    "partly behind the near plane": (0.0, -0.9, 0.3),
    "around the camera": (0.0, -0.95, 0.3),
    "above the image": (0.0, 0.0, 50.0),
    "beside the image": (3.0, 0.0, 0.0),
    "far away": (0.0, 500.0, 0.0),
}


@pytest.mark.parametrize("place", PLACES)
def test_masks_and_gradients_are_finite_wherever_the_bodies_are(place):
    camera = look_at_camera(1.0, 0.0, 0.3, SIZE)
    upright = jnp.tile(jnp.asarray([1.0, 0.0, 0.0, 0.0]), (1, 2, 1))
    position = jnp.broadcast_to(jnp.asarray(PLACES[place]), (1, 2, 3))
    masks = render(HALF, position, upright, camera, RESOLUTION, 1.0)
    assert np.min(masks) >= 0.0 and np.max(masks) <= 1.0
    slopes = jax.jit(jax.grad(lambda *a: soft_masks(*a, camera, RESOLUTION).sum(), argnums=(0, 1, 2)))
    assert all(np.isfinite(slope).all() for slope in slopes(jnp.asarray(HALF), position, upright))


def test_bodies_outside_the_image_leave_no_trace():
    camera = look_at_camera(1.0, 0.0, 0.3, SIZE)
    upright = np.tile(np.array([1.0, 0.0, 0.0, 0.0], np.float32), (1, 2, 1))
    for name in ("above the image", "beside the image"):
        position = np.broadcast_to(np.asarray(PLACES[name], np.float32), (1, 2, 3))
        assert np.max(render(HALF, position, upright, camera, RESOLUTION, 1.0)) < 1e-6


def test_vmap_over_scenes_and_softness_is_the_loop():
    scenes = [scene(np.random.default_rng(seed), frames=3) for seed in range(2)]
    position, wxyz, camera = jax.tree.map(lambda *leaves: jnp.stack(leaves), *scenes)
    softness = jnp.asarray([0.5, 2.0])

    def loss(position, wxyz, camera, softness):
        return jnp.sum(soft_masks(HALF, position, wxyz, camera, RESOLUTION, softness) ** 2)

    slope = jax.jit(jax.value_and_grad(loss, argnums=(0, 3)))
    batched = jax.jit(jax.vmap(jax.value_and_grad(loss, argnums=(0, 3))))(position, wxyz, camera, softness)
    for i in range(2):
        single = slope(position[i], wxyz[i], jax.tree.map(lambda leaf, i=i: leaf[i], camera), softness[i])
        for ours, theirs in zip(jax.tree.leaves(single), jax.tree.leaves(batched), strict=True):
            np.testing.assert_allclose(ours, theirs[i], rtol=1e-3, atol=1e-3 * np.max(np.abs(ours)))
