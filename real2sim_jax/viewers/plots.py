"""Still pictures: learning curves, losses of fits, and success against where the episode started."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from real2sim_jax.benchmarks.report import Rate, Report, rate
from real2sim_jax.benchmarks.specs import spec_columns
from real2sim_jax.data.artefacts import replacing
from real2sim_jax.data.types import Array
from real2sim_jax.simulation.types import StartState

BINS = 12
WORST = 5
CORRECTED, PUBLISHED = "#2f6db3", "#d9822b"
COLORS = {"successes": CORRECTED, "failures": PUBLISHED, "demonstration": "#9a9a9a"}
_NAMES = {
    "hazi": ("gripper azimuth", "deg", 180.0 / np.pi),
    "hele": ("gripper elevation", "deg", 180.0 / np.pi),
    "hposx": ("gripper x", "cm", 100.0),
    "hposy": ("gripper y", "cm", 100.0),
    "hposz": ("gripper z", "cm", 100.0),
    "o0hei": ("standing object's height", "cm", 100.0),
    "o0rad": ("standing object's radius", "cm", 100.0),
    "o1hei": ("held object's height", "cm", 100.0),
    "o1rad": ("held object's radius", "cm", 100.0),
}


def save_learning_curves(path: str | Path, curves: Mapping[str, Array], steps: Array | None = None) -> None:
    """Write one panel per curve as PNG.

    curves: by name, (N,) or (N, runs) values, NaN where there is none; of several runs the mean is drawn with the range
    around it. steps: (N,) environment steps of the samples; their indices when absent.
    """
    figure, axes = _panels(len(curves))
    for axis, (name, curve) in zip(axes, curves.items(), strict=False):
        values = np.asarray(curve, float).reshape(len(np.asarray(curve)), -1)
        at = np.arange(len(values)) if steps is None else np.asarray(steps)
        known = ~np.isnan(values).any(axis=1)
        at, values = at[known], values[known]
        axis.plot(at, values.mean(axis=1), color=CORRECTED, linewidth=1.6, marker="" if known.all() else "o")
        if values.shape[1] > 1:
            axis.fill_between(at, values.min(axis=1), values.max(axis=1), color=CORRECTED, alpha=0.2, linewidth=0)
        axis.set_title(name, fontsize=10)
        axis.set_xlabel("iteration" if steps is None else "environment steps", fontsize=8)
    _save(path, figure)


def save_loss_curves(path: str | Path, curves: Mapping[str, Array]) -> None:
    """Write the total loss of every video over the steps as PNG, with names at the WORST that end highest.

    curves: by video, (N, 2) step and total loss (> 0, on a logarithmic axis; other values are left out).
    """
    kept = {video: _positive(np.asarray(curve, float).reshape(-1, 2)) for video, curve in curves.items()}
    ends = {video: curve[-1, 1] for video, curve in kept.items() if len(curve)}
    worst = sorted(ends, key=lambda video: -ends[video])[:WORST]
    figure, (axis,) = _panels(1)
    figure.set_size_inches(7.5, 4.5)
    for video in ends:
        axis.plot(*kept[video].T, color="#9a9a9a", linewidth=0.8, alpha=0.7)
    for rank, video in enumerate(worst):
        axis.plot(*kept[video].T, color=f"C{rank}", linewidth=1.6, label=f"{video}: {ends[video]:.3g}")
    if worst:
        axis.set_yscale("log")
        axis.legend(title="highest at the end", fontsize=8, title_fontsize=8, frameon=False)
    axis.set_title(f"total loss of the fits, {len(ends)} videos", fontsize=10)
    axis.set_xlabel("optimisation step", fontsize=8)
    _save(path, figure)


def _positive(curve: np.ndarray) -> np.ndarray:
    return curve[np.isfinite(curve).all(axis=1) & (curve[:, 1] > 0.0)]


def save_success_plot(path: str | Path, report: Report, starts: StartState) -> None:
    """Write success against each column of the start states as PNG, with 95 % intervals.

    starts: the N states that the report's rows belong to. Bars: corrected rule; dots: published rule.
    """
    columns = {name: column for name, column in spec_columns(starts).items() if name in _NAMES}
    figure, axes = _panels(len(columns))
    for axis, (name, column) in zip(axes, columns.items(), strict=False):
        title, unit, scale = _NAMES[name]
        _success_panel(axis, scale * column, report)
        axis.set_title(f"{title} [{unit}]", fontsize=10)
    total, published = rate(report.ok), rate(report.published_ok)
    figure.suptitle(
        f"{report.action.replace('_', ' ')}, {report.spec}: success {total.rate:.1%} "
        f"[{total.low:.1%}, {total.high:.1%}] of {total.count} starts, published rule {published.rate:.1%}",
        fontsize=12,
    )
    _save(path, figure)


def save_study_plot(path: str | Path, panels: Mapping[str, Mapping[str, Mapping[str, Sequence[Rate]]]]) -> None:
    """Write success by condition as PNG: a panel for each action, bars with 95 % intervals, a dot for each seed.

    panels: by action, condition and set of start states, the rate of all episodes and then those of the seeds.
    """
    figure, axes = _panels(len(panels))
    # Names of conditions are of any length.
    figure.set_layout_engine("constrained")
    for axis, (action, conditions) in zip(axes, panels.items(), strict=False):
        for place, series in enumerate(conditions.values()):
            _rate_bars(axis, place, series)
        axis.set_xticks(range(len(conditions)), list(conditions), rotation=30, ha="right")
        axis.set_ylim(0.0, 1.05)
        axis.set_title(action, fontsize=10)
    handles, labels = axes[0].get_legend_handles_labels()
    once = dict(zip(labels, handles, strict=True))
    figure.legend(once.values(), once.keys(), loc="outside lower right", ncols=2, fontsize=8, frameon=False)
    _save(path, figure)


def _rate_bars(axis: Axes, place: int, series: Mapping[str, Sequence[Rate]]) -> None:
    """One condition: a bar for each set of start states, side by side around `place`."""
    for index, (name, (whole, *seeds)) in enumerate(series.items()):
        at = place + 0.4 * (index - 0.5 * (len(series) - 1))
        error = [[whole.rate - whole.low], [whole.high - whole.rate]]
        color = (CORRECTED, PUBLISHED)[index % 2]
        axis.bar(at, whole.rate, 0.36, yerr=error, color=color, alpha=0.75, ecolor="#1d3f66", capsize=2, label=name)
        axis.plot([at] * len(seeds), [seed.rate for seed in seeds], "o", color="#323741", markersize=3)


def save_reward_plot(path: str | Path, groups: Mapping[str, Mapping[str, Array]], dt: float) -> None:
    """Write each reward term over an episode as PNG, a line for each group of episodes.

    groups: by name, the terms by name, (T,) each, a sample every dt s.
    """
    names = list(next(iter(groups.values())))
    figure, axes = _panels(len(names))
    for axis, name in zip(axes, names, strict=False):
        for label, terms in groups.items():
            values = np.asarray(terms[name])
            axis.plot(dt * np.arange(len(values)), values, linewidth=1.6, color=COLORS.get(label), label=label)
        axis.set_ylim(0.0, 1.05)
        axis.set_title(name.replace("_", " "), fontsize=10)
        axis.set_xlabel("s", fontsize=8)
    axes[0].legend(fontsize=8, frameon=False)
    _save(path, figure)


def _success_panel(axis: Axes, column: np.ndarray, report: Report) -> None:
    edges = np.linspace(column.min(), column.max() + 1e-9, BINS + 1)
    place = np.clip(np.digitize(column, edges) - 1, 0, BINS - 1)
    middles = (edges[1:] + edges[:-1]) / 2
    chosen = [index for index in range(BINS) if (place == index).any()]
    rates = [rate(report.ok[place == index]) for index in chosen]
    shares = np.array([r.rate for r in rates])
    reach = [shares - [r.low for r in rates], [r.high for r in rates] - shares]
    width = 0.85 * (edges[1] - edges[0])
    axis.bar(middles[chosen], shares, width, yerr=reach, color=CORRECTED, alpha=0.75, ecolor="#1d3f66", capsize=1.5)
    published = [rate(report.published_ok[place == index]).rate for index in chosen]
    axis.plot(middles[chosen], published, "o", color=PUBLISHED, markersize=3.5)
    axis.set_ylim(0.0, 1.05)


def _panels(count: int) -> tuple[Figure, list[Axes]]:
    """A figure with at least `count` axes and room for a title, the superfluous axes hidden."""
    across = min(4, max(1, count))
    down = -(-count // across)
    width, height = 4.2 * across, 2.7 * down + 0.5
    # Figure and not pyplot: no global state, no window, and no figure that stays in memory.
    figure = Figure(figsize=(width, height))
    FigureCanvasAgg(figure)
    # Margins in inches, which cost nothing: to find them, matplotlib would draw everything twice.
    figure.subplots_adjust(left=0.65 / width, right=1 - 0.15 / width, bottom=0.5 / height, top=1 - 0.75 / height)
    # Between axes of about 3.5 by 1.9 inches, of which these are fractions.
    figure.subplots_adjust(wspace=0.7 / 3.5, hspace=0.8 / 1.9)
    axes = list(figure.subplots(down, across, squeeze=False).ravel())
    for axis in axes[:count]:
        axis.grid(alpha=0.25)
        axis.tick_params(labelsize=8)
        axis.spines[["top", "right"]].set_visible(False)
    for axis in axes[count:]:
        axis.set_visible(False)
    return figure, axes


def _save(path: str | Path, figure: Figure) -> None:
    with replacing(path) as temporary:
        # No software name or date in the file: the same numbers give the same bytes.
        figure.savefig(temporary, format="png", dpi=110, metadata={"Software": None})
