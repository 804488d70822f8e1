"""What each subcommand of `real2sim` does; one file each, quick to import: jax is loaded when a command runs."""
