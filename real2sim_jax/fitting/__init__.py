"""From an observed track to cuboids in 3D."""
