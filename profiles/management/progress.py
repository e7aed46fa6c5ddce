"""The progress of a long command, on a terminal."""

from django.core.management.base import OutputWrapper


def show_progress(output: OutputWrapper, what: str, done: int, total: int) -> None:
    """Draw the bar again, if somebody sees it; end its line when all is done."""
    if output.isatty():
        filled = 40 * done // total
        end = "\n" if done == total else ""
        output.write(f"\r{what:9}[{'#' * filled:40}] {done}/{total}", ending=end)
        output.flush()
