"""What docs/lesson.py needs besides the package: pictures that show, and a clock."""

import sys
import time
from pathlib import Path

shown = {}  # pictures by name: alternative text and PNG bytes
clock = []  # (section, time it began)


def section(name):
    """Begin a section: the seconds of the one before end here."""
    clock.append((name, time.perf_counter()))


def seconds():
    """Seconds of each section begun, the last one's until now."""
    ends = [begin for _, begin in clock[1:]] + [time.perf_counter()]
    return {name: end - begin for (name, begin), end in zip(clock, ends, strict=True)}


def show(name, text, figure):
    """Show a Figure under the cell of a notebook; a script writes results/lesson/NAME.png."""
    from lesson_plots import png

    shown[name] = text, png(figure)
    main = getattr(sys.modules["__main__"], "__file__", "")
    if "ipykernel" in sys.modules:
        from IPython.display import Image, display

        display(Image(shown[name][1]))
    elif Path(main).name == "lesson.py":
        folder = Path("results") / "lesson"
        folder.mkdir(parents=True, exist_ok=True)
        (folder / f"{name}.png").write_bytes(shown[name][1])
