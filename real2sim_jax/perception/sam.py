"""A Segment Anything model (Kirillov et al., ICCV 2023) whose checkpoint the user names.

The one file that imports torch, and only when it is asked for. What the model looks like is read from the checkpoint's
shapes, so that ViT-B, L and H and smaller ones load alike.
"""

from collections.abc import Mapping, Sequence
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np

from real2sim_jax.core.errors import UserError
from real2sim_jax.data.artefacts import file_hash
from real2sim_jax.perception.promptable import INSIDE, OUTSIDE, Cut
from real2sim_jax.perception.torchvision_shim import torchvision_or_shim

DECODER_HEADS = 8
"""Attention heads of the mask decoder: the only size that its weights do not tell, the same in all published models."""
NORM_EPS = 1e-6
"""Of the image encoder's layer norms, as it was trained."""
NEEDED = ("torch", "segment_anything")


class TorchSam:
    """A model of segment-anything behind the interface of `promptable`."""

    def __init__(self, predictor: Any, identity: str):
        self._predictor, self.identity = predictor, identity

    def embed(self, image: np.ndarray) -> np.ndarray:
        """Return the embedding (C, h, w) float16 of an image (H, W, 3) uint8 RGB."""
        self._predictor.set_image(image)
        return self._predictor.features[0].cpu().numpy().astype(np.float16)

    def cut(self, embedding: np.ndarray, shape: tuple[int, int], points: np.ndarray, kinds: Sequence[float]) -> Cut:
        """Return what points (N, 2) px with their kinds ask for; of a single point's three answers the best."""
        import torch

        places, names = np.asarray(points, float).reshape(-1, 2), np.asarray(kinds)
        model = self._predictor
        model.features = torch.from_numpy(np.array(embedding[None], np.float32)).to(model.device)
        model.original_size = shape
        model.input_size = model.transform.get_preprocess_shape(*shape, model.transform.target_length)
        model.is_image_set = True
        dots = np.isin(names, (INSIDE, OUTSIDE))
        asked = {"point_coords": places[dots], "point_labels": names[dots]} if dots.any() else {}
        box = None if dots.all() else places[~dots].ravel()
        masks, quality, _ = model.predict(box=box, multimask_output=len(names) == 1, **asked)
        best = int(np.argmax(quality))
        return Cut(np.asarray(masks[best], bool), float(quality[best]))


def load_sam(checkpoint: Path) -> TorchSam:
    """Load a checkpoint of segment-anything onto the fastest device; UserError says in a line why it cannot be used."""
    missing = [name for name in NEEDED if find_spec(name) is None]
    if missing:
        raise UserError(f"--segmenter sam needs {' and '.join(missing)}: pip install 'real2sim-jax[sam]'")
    weights = _weights(checkpoint)
    try:
        with torchvision_or_shim():
            model = _model(weights)
            model.load_state_dict(weights)
            from segment_anything import SamPredictor
    except (KeyError, IndexError, ValueError, AttributeError, RuntimeError) as error:
        reason = str(error).strip().splitlines()[0]
        raise UserError(
            f"{checkpoint}: expected a checkpoint of segment-anything (ViT-B, L or H), got other weights ({reason})"
        ) from error
    return TorchSam(SamPredictor(model.eval().to(_device())), file_hash(checkpoint))


def _weights(checkpoint: Path) -> Mapping[str, Any]:
    import torch

    if not checkpoint.is_file():
        raise UserError(
            f"{checkpoint}: expected a checkpoint, found {'a folder' if checkpoint.is_dir() else 'nothing'}"
        )
    try:
        weights = torch.load(checkpoint, map_location="cpu", weights_only=True)
    except Exception as error:
        # torch raises many types for a foreign file; to the user they are one.
        raise UserError(
            f"{checkpoint}: expected a checkpoint of weights alone, got a damaged or foreign file"
            f" ({type(error).__name__}); download it again"
        ) from error
    if not isinstance(weights, Mapping):
        raise UserError(f"{checkpoint}: expected weights by name, got a {type(weights).__name__}")
    return weights


def _device() -> str:
    import torch

    if torch.cuda.is_available():
        return "cuda"
    return "mps" if torch.backends.mps.is_available() else "cpu"


def _model(weights: Mapping[str, Any]) -> Any:
    """A model with random weights that those of a checkpoint fit into; KeyError where they are of something else."""
    from segment_anything.modeling import MaskDecoder, PromptEncoder, Sam, TwoWayTransformer

    encoder, grid, side = _image_encoder(weights)
    width = int(weights["mask_decoder.iou_token.weight"].shape[1])
    prompts = PromptEncoder(
        embed_dim=width,
        image_embedding_size=(grid, grid),
        input_image_size=(side, side),
        mask_in_chans=int(weights["prompt_encoder.mask_downscaling.3.weight"].shape[0]),
    )
    transformer = TwoWayTransformer(
        depth=_count(weights, "mask_decoder.transformer.layers."),
        embedding_dim=width,
        num_heads=DECODER_HEADS,
        mlp_dim=int(weights["mask_decoder.transformer.layers.0.mlp.lin1.weight"].shape[0]),
    )
    decoder = MaskDecoder(
        transformer_dim=width,
        transformer=transformer,
        num_multimask_outputs=int(weights["mask_decoder.mask_tokens.weight"].shape[0]) - 1,
        iou_head_depth=_count(weights, "mask_decoder.iou_prediction_head.layers."),
        iou_head_hidden_dim=int(weights["mask_decoder.iou_prediction_head.layers.0.weight"].shape[0]),
    )
    return Sam(encoder, prompts, decoder)


def _image_encoder(weights: Mapping[str, Any]) -> tuple[Any, int, int]:
    """The image encoder, the patches along a side of its input, and that side, px."""
    import torch
    from segment_anything.modeling import ImageEncoderViT

    name = "image_encoder."
    _, grid, _, width = weights[f"{name}pos_embed"].shape
    patch = weights[f"{name}patch_embed.proj.weight"].shape[-1]
    depth = _count(weights, f"{name}blocks.")
    # A block that attends to all of the picture knows more relative places than one that attends to a window.
    spans = [(weights[f"{name}blocks.{i}.attn.rel_pos_h"].shape[0] + 1) // 2 for i in range(depth)]
    windows = [span for span in spans if span != grid]
    encoder = ImageEncoderViT(
        img_size=grid * patch,
        patch_size=patch,
        embed_dim=width,
        depth=depth,
        num_heads=width // weights[f"{name}blocks.0.attn.rel_pos_h"].shape[1],
        mlp_ratio=weights[f"{name}blocks.0.mlp.lin1.weight"].shape[0] / width,
        out_chans=weights[f"{name}neck.0.weight"].shape[0],
        norm_layer=partial(torch.nn.LayerNorm, eps=NORM_EPS),  # type: ignore[arg-type]
        use_rel_pos=True,
        window_size=windows[0] if windows else 0,
        global_attn_indexes=tuple(i for i, span in enumerate(spans) if span == grid),
    )
    return encoder, grid, grid * patch


def _count(weights: Mapping[str, Any], prefix: str) -> int:
    """How many numbered parts there are below a name."""
    numbers = {name[len(prefix) :].split(".")[0] for name in weights if name.startswith(prefix)}
    return len(numbers)
