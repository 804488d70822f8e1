"""A Segment Anything model of a few thousand weights, made of segment-anything's own classes."""

from functools import partial

SIDE_PX, PATCH_PX, WIDTH = 64, 8, 32


def tiny_sam(seed=0, windows=(True, False)):
    """The model with random weights; windows: which of its encoder's blocks attend to a part of the picture."""
    import torch

    from real2sim_jax.perception.torchvision_shim import torchvision_or_shim

    torch.manual_seed(seed)
    with torchvision_or_shim():
        from segment_anything.modeling import ImageEncoderViT, MaskDecoder, PromptEncoder, Sam, TwoWayTransformer
    grid = SIDE_PX // PATCH_PX
    encoder = ImageEncoderViT(
        img_size=SIDE_PX,
        patch_size=PATCH_PX,
        embed_dim=48,
        depth=len(windows),
        num_heads=3,
        mlp_ratio=2,
        out_chans=WIDTH,
        norm_layer=partial(torch.nn.LayerNorm, eps=1e-6),
        use_rel_pos=True,
        window_size=5,
        global_attn_indexes=[i for i, windowed in enumerate(windows) if not windowed],
    )
    prompts = PromptEncoder(WIDTH, (grid, grid), (SIDE_PX, SIDE_PX), mask_in_chans=16)
    transformer = TwoWayTransformer(depth=2, embedding_dim=WIDTH, num_heads=8, mlp_dim=40)
    decoder = MaskDecoder(transformer_dim=WIDTH, transformer=transformer, iou_head_depth=3, iou_head_hidden_dim=24)
    model = Sam(encoder, prompts, decoder).eval()
    for name, weights in model.named_parameters():
        if "pos" in name or "embed" in name:
            # Those that start as zeros would hide that they are not used.
            torch.nn.init.normal_(weights)
    return model


def save_tiny_sam(path, **settings):
    """Write the model's weights as published checkpoints are; return the model."""
    import torch

    model = tiny_sam(**settings)
    torch.save(model.state_dict(), path)
    return model
