"""Every setting that a user can change, without anything that loads jax."""
