"""Every reader of the package."""

from tests.fuzz import (
    read_annotate,
    read_arrays,
    read_checkpoints,
    read_models,
    read_options,
    read_reports,
    read_settings,
    read_text,
    read_udp,
    read_video,
)

# Those that take longest come first, so that both processes end at about the same time.
READERS = (
    *read_checkpoints.READERS,
    *read_annotate.READERS,
    *read_models.READERS,
    *read_video.READERS,
    *read_udp.READERS,
    *read_arrays.READERS,
    *read_options.READERS,
    *read_text.READERS,
    *read_settings.READERS,
    *read_reports.READERS,
)
