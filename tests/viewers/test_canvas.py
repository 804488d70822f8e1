"""The software renderer against analytic areas and orders."""

import numpy as np
import pytest

from real2sim_jax.core.rotations import wxyz_from_rotvec
from real2sim_jax.viewers.canvas import OVERSAMPLING, Canvas, Viewpoint, box, cylinder, placed

RED, BLUE = (200, 30, 30), (30, 30, 200)
FRONT = Viewpoint(eye=(0.0, -2.0, 0.0), target=(0.0, 0.0, 0.0), focal=400.0, size=(200, 160))
UNTURNED = np.array([1.0, 0, 0, 0])


def drawn(*solids, view=FRONT):
    canvas = Canvas(view)
    for solid in solids:
        canvas.solid(solid)
    return canvas


@pytest.mark.parametrize("solid", [box((0.1, 0.2, 0.3), (0.5, 0.1, -0.2), RED), cylinder(0.2, 0.1, RED)])
def test_faces_look_outwards(solid):
    centre = np.concatenate(solid.faces).mean(axis=0)
    for face in solid.faces:
        normal = np.cross(face[1] - face[0], face[2] - face[1])
        assert normal @ (face.mean(axis=0) - centre) > 0


@pytest.mark.parametrize(
    "solid, width, height",
    [(box((0.1, 0.05, 0.2), (0, 0.05, 0), RED), 0.2, 0.4), (box((0.15, 0.01, 0.05), (0, 0.01, 0), RED), 0.3, 0.1)],
)
def test_a_front_face_covers_its_projected_area(solid, width, height):
    # Both front faces lie in y = 0, 2 m away: 400 px / 2 m = 200 px per metre.
    pixels = (drawn(solid).inverse_depth > 0).sum() / OVERSAMPLING**2
    assert pixels == pytest.approx(200**2 * width * height, rel=0.05)


def test_depth_is_that_of_the_surface():
    depth = 1.0 / drawn(cylinder(0.2, 0.1, RED)).inverse_depth.max()
    # The nearest line of the cylinder is its radius before the axis.
    assert depth == pytest.approx(1.9, abs=0.005)


def test_the_nearer_solid_hides_the_other_in_either_order():
    near, far = box((0.05, 0.05, 0.05), (0, -0.3, 0), RED), box((0.05, 0.05, 0.05), (0, 0.3, 0), BLUE)
    first, second = drawn(near, far).finished(), drawn(far, near).finished()
    np.testing.assert_array_equal(first, second)
    red, _, blue = first[80, 100]
    assert red > 2 * blue


def test_right_is_right_and_up_is_up():
    where = np.argwhere(drawn(box((0.02, 0.02, 0.02), (0.2, 0, 0.1), RED)).inverse_depth > 0).mean(axis=0)
    assert where[1] > OVERSAMPLING * 120 and where[0] < OVERSAMPLING * 75


def test_turned_solids_keep_their_shape():
    solid = placed(
        box((0.1, 0.2, 0.3), (0, 0, 0), RED), np.array([1.0, 2, 3]), wxyz_from_rotvec(np.array([0, 0, np.pi / 2]))
    )
    points = np.concatenate(solid.faces)
    np.testing.assert_allclose(np.ptp(points, axis=0), [0.4, 0.2, 0.6])
    np.testing.assert_allclose(points.mean(axis=0), [1, 2, 3])


@pytest.mark.parametrize("position", [(np.nan, 0, 0), (0, -5.0, 0), (1e9, 0, 0)])
def test_solids_that_cannot_be_seen_leave_no_trace(position):
    canvas = drawn(placed(cylinder(0.1, 0.05, RED), np.array(position), UNTURNED))
    assert not canvas.inverse_depth.any()
