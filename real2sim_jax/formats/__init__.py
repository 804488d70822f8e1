"""File formats of others: published annotations and state files."""
