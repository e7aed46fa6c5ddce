"""Draw a bar chart as SVG, for light and dark pages."""

from html import escape
from pathlib import Path

ROW, LEFT, BARS, WIDTH = 26, 200, 380, 860
STYLE = """
    text { font: 13px system-ui, sans-serif; fill: #1f2328 }
    .title { font-weight: 600; font-size: 15px } .fault { fill: #59636e }
    .bar { fill: #b6bfc9 } .ours { fill: #1f6feb }
    @media (prefers-color-scheme: dark) {
      text { fill: #e6edf3 } .fault { fill: #9198a1 } .bar { fill: #4a525c } .ours { fill: #4493f8 }
    }
"""


def draw_bars(
    path: Path, title: str, rows: list[tuple[str, float, str]], digits: int = 0, group: int = 0
) -> None:
    """Write a bar chart of names, figures and remarks.

    The first row is in a colour of its own; with `group`, so is the first of so many each time.
    """
    most = max(figure for _, figure, _ in rows)
    height = 44 + ROW * len(rows)
    parts = [f'<text class="title" x="8" y="24">{escape(title)}</text>']
    for number, (name, figure, remark) in enumerate(rows):
        top = 40 + ROW * number
        length = BARS * figure / most
        kind = "bar" if (number % group if group else number) else "bar ours"
        parts += [
            f'<text x="{LEFT - 8}" y="{top + 14}" text-anchor="end">{escape(name)}</text>',
            f'<rect class="{kind}" x="{LEFT}" y="{top}" width="{length:.1f}" height="18" rx="2"/>',
            f'<text x="{LEFT + length + 6:.1f}" y="{top + 14}">{figure:,.{digits}f} '
            f'<tspan class="fault" dx="6">{escape(remark)}</tspan></text>',
        ]
    body = "\n  ".join(parts)
    path.write_text(
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" role="img">\n'
        f"  <title>{escape(title)}</title>\n  <style>{STYLE}  </style>\n  {body}\n</svg>\n",
        encoding="utf-8",
    )
