"""`python -m real2sim_jax`: the same as `real2sim`, where the program is on no path."""

from real2sim_jax.cli import main

if __name__ == "__main__":
    main()
