"""Readers of people's text files: annotations, states, start states, prompts, and numbers of options."""

import json
import random
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from real2sim_jax.benchmarks.specs import generate, read_spec, write_spec
from real2sim_jax.core.actions import action_named
from real2sim_jax.evaluation.folders import evaluate_states
from real2sim_jax.formats.published_states import read_states, write_states
from real2sim_jax.formats.something_else import read_tracks
from real2sim_jax.perception.prompts import Prompt, UserHints, check_hints, lines_of, read_hints
from real2sim_jax.robot.options import numbers
from real2sim_jax.synthetic.scenes import synthetic_tracks
from tests.fuzz import mutate_bytes, mutate_csv, mutate_tree, odd, oracles
from tests.fuzz.case import Reader

ACTIONS = {"101": "pick_up", "102": "put_onto"}
FRAMES = 14
BOXES, PHASES, NOTES, STATES, SPEC = "boxes.json", "phases.csv", "actions.csv", "101.csv", "spec.csv"
LINES = ["moved=10,20,30.5,40@3", "hand=0,0,15,15@0", "contact=2-8", "anchor=50,50,70,70@3"]
START = "x,y,z,azimuth_deg,elevation_deg"


def write_annotations(folder: Path) -> None:
    """Two videos, one with an anchor."""
    labels = ("hand", "object 0", "object 1")
    videos = {}
    for video, action in ACTIONS.items():
        boxes = np.asarray(synthetic_tracks(action_named(action), 1, int(video))[0][0].boxes)[:FRAMES].tolist()
        videos[video] = [
            {
                "name": f"{video}/{t:04}.jpg",
                "labels": [_label(labels[b], box) for b, box in enumerate(frame) if any(box)],
            }
            for t, frame in enumerate(boxes, start=1)
        ]
    (folder / BOXES).write_text(json.dumps(videos))
    (folder / PHASES).write_text("video_id,action_id,approach,action,leave\n101,53,1-3,4-10,11-14\n102,-,-,5-9,-\n")
    (folder / NOTES).write_text("video_id,action,width,height,fps\n101,pick_up,427,240,12\n102,put_onto,,,\n")


def _label(name: str, box: list[float]) -> dict[str, Any]:
    return {"gt_annotation": name, "box2d": dict(zip(("x1", "y1", "x2", "y2"), box, strict=True))}


def damage_json(name: str, folder: Path, rng: random.Random, seed: int) -> None:
    """Damage the tree of a JSON file, or, one time in four, its bytes."""
    path = folder / name
    if seed % 4 == 3:
        mutate_bytes.damage(path, rng, seed // 4)
    else:
        tree = mutate_tree.damaged(json.loads(path.read_text()), rng, seed - seed // 4)
        path.write_text(mutate_tree.json_text(tree), encoding="utf-8")


def damage_csv(name: str, folder: Path, rng: random.Random, seed: int) -> None:
    mutate_csv.damage(folder / name, rng, seed)


def wrong_tracks(found: Any) -> list[str]:
    tracks, skipped = found
    wrong = [f"reason {ascii(why)[:150]}" for why in skipped.values() if not oracles.is_line(why)]
    return wrong + [f"{ascii(v)[:20]}: {text}" for v, (_, track) in tracks.items() for text in oracles.box_track(track)]


def write_state_file(folder: Path) -> None:
    write_states(folder / STATES, synthetic_tracks(action_named("put_onto"), 1, 3)[0][1])


def read_both_cameras(folder: Path) -> Any:
    return [read_states(folder / STATES, published_camera=published) for published in (False, True)]


def wrong_states(tracks: Any) -> list[str]:
    return [text for track in tracks for text in oracles.cuboid_track(track)]


def write_state_folder(folder: Path) -> None:
    (folder / "put_onto").mkdir()
    write_state_file(folder / "put_onto")
    (folder / "list.csv").write_text("video_id,action\n101,put_onto\n")


def read_state_folder(folder: Path) -> Any:
    return evaluate_states(folder / "put_onto", folder / "list.csv")


def wrong_judgements(found: Any) -> list[str]:
    content = found.as_json()
    json.dumps(content, allow_nan=False)
    return [f"reason {ascii(why)[:150]}" for why in found.refused.values() if not oracles.is_line(why)]


def damage_either(folder: Path, rng: random.Random, seed: int) -> None:
    mutate_csv.damage(folder / ("list.csv" if seed % 3 == 0 else f"put_onto/{STATES}"), rng, seed // 3)


def write_start_states(folder: Path) -> None:
    write_spec(folder / SPEC, generate("easy", action_named("put_onto"), 12, 0, lambda states: np.zeros(12, bool)))


def read_start_states(folder: Path) -> Any:
    return [(read_spec(folder / SPEC, action_named(name)), n) for name, n in (("pick_up", 1), ("put_onto", 2))]


def wrong_start_states(found: Any) -> list[str]:
    return [text for states, objects in found for text in oracles.start_states(states, objects)]


def write_prompts(folder: Path) -> None:
    (folder / "told.txt").write_text("# what is told\n" + "\n".join(LINES) + "\n")
    (folder / "words.json").write_text(json.dumps([*LINES, "told.txt"]))


def damage_prompts(folder: Path, rng: random.Random, seed: int) -> None:
    """The file, or a word of the command line."""
    if seed % 2:
        mutate_bytes.damage(folder / "told.txt", rng, seed // 2)
        return
    words = json.loads((folder / "words.json").read_text())
    place, word = rng.randrange(len(words)), rng.choice(LINES)
    start, end = sorted(rng.randrange(len(word) + 1) for _ in range(2))
    words[place] = rng.choice((odd.text(rng), word[:start] + odd.text(rng) + word[end:], word[:start] + word[end:]))
    (folder / "words.json").write_text(json.dumps(words))


def read_prompts(folder: Path) -> UserHints:
    words = json.loads((folder / "words.json").read_text())
    told = read_hints([str(folder / word) if word == "told.txt" else word for word in words])
    check_hints(told, 100, (427, 240))
    return told


def wrong_prompts(told: UserHints) -> list[str]:
    """What is told lies in the video, and its lines say the same again."""
    wrong = [text for prompt in told.prompts for text in _wrong_prompt(prompt)]
    wrong += [f"contact {span}" for span in told.contacts if not 0 <= span[0] <= span[1] < 100]
    again = read_hints(lines_of(told))
    same = set(again.prompts) == set(told.prompts) and again.contacts == told.contacts
    return wrong + ([] if same else ["its lines read otherwise"])


def _wrong_prompt(prompt: Prompt) -> list[str]:
    low, high = prompt.box[:2], prompt.box[2:]
    shape = [] if low[0] < high[0] and low[1] < high[1] else [f"box {prompt.box}"]
    frame = [] if 0 <= prompt.frame < 100 else [f"frame {prompt.frame}"]
    return [*oracles.first(oracles.between("box", prompt.box, 0.0, 2 * oracles.LARGEST_IMAGE_PX)), *shape, *frame]


def write_option(folder: Path) -> None:
    (folder / "option.txt").write_text("0,-0.05,0.15,90,60")


def damage_option(folder: Path, rng: random.Random, seed: int) -> None:
    parts = (folder / "option.txt").read_text().split(",")
    parts[rng.randrange(5)] = odd.text(rng) if seed % 2 else str(odd.number(rng))
    (folder / "option.txt").write_text(",".join(parts[: rng.choice((5, 5, 5, 4, 0))]), "utf-8", "surrogatepass")


def read_option(folder: Path) -> list[float]:
    return numbers("--start", (folder / "option.txt").read_bytes().decode(), START)


def wrong_option(values: list[float]) -> list[str]:
    return list(oracles.array("--start", np.asarray(values), (5,)))


READERS = (
    Reader("boxes JSON", write_annotations, partial(damage_json, BOXES), read_tracks, wrong_tracks, 260),
    Reader("phases CSV", write_annotations, partial(damage_csv, PHASES), read_tracks, wrong_tracks, 120),
    Reader("actions CSV", write_annotations, partial(damage_csv, NOTES), read_tracks, wrong_tracks, 140),
    Reader("states CSV", write_state_file, partial(damage_csv, STATES), read_both_cameras, wrong_states, 160),
    Reader("folder of states", write_state_folder, damage_either, read_state_folder, wrong_judgements, 60),
    Reader(
        "start states CSV", write_start_states, partial(damage_csv, SPEC), read_start_states, wrong_start_states, 140
    ),
    Reader("prompts", write_prompts, damage_prompts, read_prompts, wrong_prompts, 160),
    Reader("numbers of options", write_option, damage_option, read_option, wrong_option, 60),
)
