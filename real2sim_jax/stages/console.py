"""What the command line shows: progress, tables, and a gentle reaction to Ctrl-C."""

import signal
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from types import FrameType
from typing import TYPE_CHECKING

import rich.console
from rich.progress import BarColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn, TimeRemainingColumn
from rich.table import Table
from rich.text import Text

from real2sim_jax.core.errors import one_line

if TYPE_CHECKING:
    from real2sim_jax.learning.train import Progress as TrainingProgress

PLAIN_EVERY_S = 10.0
"""Where there is no terminal, progress is a line at most this often."""


class Console:
    """Prints to the terminal, or plain lines where there is none."""

    def __init__(self):
        self._rich = rich.console.Console(highlight=False, soft_wrap=True)

    def say(self, text: str) -> None:
        """Print a line, whatever names it quotes."""
        self._rich.print(one_line(text), markup=False)

    def table(self, title: str, columns: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
        """Print a table; columns after the first are aligned to the right."""
        table = Table(title=Text(title), title_justify="left", title_style="bold")
        for i, name in enumerate(columns):
            table.add_column(name, justify="left" if i == 0 else "right", overflow="fold")
        for row in rows:
            # Not as markup: names may hold square brackets.
            table.add_row(*(Text(one_line(cell)) for cell in row))
        self._rich.print(table)

    @contextmanager
    def status(self, text: str) -> Iterator[Callable[[str], None]]:
        """Show that something is going on; yields a function that updates the text."""
        if not self._rich.is_terminal:
            self.say(f"{text} ...")
            yield self.say
            return
        with self._rich.status(text) as status:
            yield status.update

    @contextmanager
    def bar(self, total: float) -> Iterator[Callable[[float, str], None]]:
        """Show a progress bar (lines where there is no terminal); yields a function of what is done and a text."""
        columns = SpinnerColumn(), BarColumn(), TextColumn("{task.description}"), TimeElapsedColumn()
        last = -PLAIN_EVERY_S
        with Progress(*columns, console=self._rich, disable=not self._rich.is_terminal) as progress:
            task = progress.add_task("", total=total)

            def report(done: float, text: str) -> None:
                nonlocal last
                progress.update(task, completed=done, description=text)
                if not self._rich.is_terminal and time.monotonic() - last >= PLAIN_EVERY_S:
                    last = time.monotonic()
                    self.say(f"  {done / total:4.0%}  {text}")

            yield report

    @contextmanager
    def training(self, steps: int) -> Iterator["TrainingWatch"]:
        """Show a progress bar of `steps` control steps; Ctrl-C and SIGTERM end the training after its iteration."""
        watch = TrainingWatch(self, steps)
        old = {number: signal.signal(number, watch.interrupt) for number in (signal.SIGINT, signal.SIGTERM)}
        try:
            with watch.bar:
                yield watch
        finally:
            for number, handler in old.items():
                signal.signal(number, handler)


class TrainingWatch:
    """The progress bar of a training run and the user's wish to end it."""

    def __init__(self, console: Console, steps: int):
        self._console = console
        self._asked_to_stop = False
        terminal = console._rich.is_terminal
        self.bar = Progress(
            SpinnerColumn(),
            TextColumn("training"),
            BarColumn(),
            TextColumn("{task.completed:,.0f} / {task.total:,.0f} steps  {task.fields[line]}"),
            TimeElapsedColumn(),
            TextColumn("left"),
            TimeRemainingColumn(),
            console=console._rich,
            disable=not terminal,
        )
        self._plain = not terminal
        self._task = self.bar.add_task("training", total=steps, line="compiling")

    def report(self, progress: "TrainingProgress") -> None:
        """Show an iteration."""
        terms = {name.split("/")[1]: value for name, value in progress.metrics.items() if name.startswith("reward/")}
        line = f"{progress.steps_per_s:,.0f}/s  return {progress.metrics['train/return']:.3f}"
        line += "".join(f"  {name.replace('_', ' ')} {value:.2f}" for name, value in terms.items() if name != "allowed")
        self.bar.update(self._task, completed=progress.steps, line=line)
        if self._plain and (progress.iteration % 5 == 0 or progress.iteration in (1, progress.iterations)):
            self._console.say(f"  iteration {progress.iteration}/{progress.iterations}  {line}")

    def stopped(self) -> bool:
        """Whether the user asked to end."""
        return self._asked_to_stop

    def interrupt(self, number: int, frame: FrameType | None) -> None:
        """Signal handler: the first signal asks for an orderly end, the second one interrupts."""
        if self._asked_to_stop:
            raise KeyboardInterrupt
        self._asked_to_stop = True
        self._console.say("stopping after this iteration; the policy is kept (once more: stop at once)")
