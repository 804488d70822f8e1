"""What flows between the stages, and how it is kept in files."""
