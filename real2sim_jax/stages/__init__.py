"""The stages of the pipeline over the folder of runs."""
