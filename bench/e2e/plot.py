"""Line plots as SVG, without any library."""

import html
import math

WIDTH, HEIGHT = 640, 360
LEFT, RIGHT, TOP, BOTTOM = 64, 16, 36, 48
COLOURS = ("#1f6feb", "#d1242f", "#1a7f37", "#8250df")


def _powers(low: float, high: float) -> list[float]:
    """Powers of ten around a range."""
    first, last = math.floor(math.log10(low)), math.ceil(math.log10(high))
    return [10.0 ** power for power in range(first, max(last, first + 1) + 1)]


def _ticks(top: float) -> list[float]:
    """Round numbers from 0 to at least `top`, five steps at most."""
    step = 10 ** math.floor(math.log10(top or 1))
    while top / step > 5:
        step *= 2
    while top / step < 2.5:
        step /= 2
    return [step * i for i in range(math.ceil(top / step) + 1)]


def _short(number: float) -> str:
    """1000 as 1k."""
    for size, letter in ((1 << 20, "Mi"), (1000, "k")):
        if number >= size and number % size == 0:
            return f"{number / size:g}{letter}"
    return f"{number:g}"


def line_plot(title: str, x_label: str, y_label: str,
              lines: dict[str, list[tuple[float, float, float, float]]],
              y_logarithmic: bool = False) -> str:
    """One line per name through (x, median, least, most); x is logarithmic. y starts at 0, or is
    logarithmic too, for what has to grow: twice as much is a straight line then."""
    points = [point for line in lines.values() for point in line]
    x_low, x_high = min(p[0] for p in points), max(p[0] for p in points)
    y_most = max(p[3] for p in points)
    ticks = (_powers(min(p[2] for p in points if p[2] > 0), y_most) if y_logarithmic
             else _ticks(y_most))
    x_span = math.log(x_high / x_low) or 1.0

    def at_x(value):
        return LEFT + (WIDTH - LEFT - RIGHT) * math.log(value / x_low) / x_span

    def at_y(value):
        part = value / ticks[-1]
        if y_logarithmic:
            part = math.log(max(value, ticks[0]) / ticks[0]) / math.log(ticks[-1] / ticks[0])
        return HEIGHT - BOTTOM - (HEIGHT - TOP - BOTTOM) * part

    out = [f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH}" height="{HEIGHT}" '
           f'viewBox="0 0 {WIDTH} {HEIGHT}" font-family="sans-serif" font-size="12">',
           f'<rect width="{WIDTH}" height="{HEIGHT}" fill="white"/>',
           f'<text x="{LEFT}" y="20" font-size="14">{html.escape(title)}</text>']
    for tick in ticks:
        out.append(f'<path d="M{LEFT} {at_y(tick):.1f}H{WIDTH - RIGHT}" stroke="#d0d7de"/>'
                   f'<text x="{LEFT - 6}" y="{at_y(tick) + 4:.1f}" text-anchor="end">'
                   f'{tick:g}</text>')
    for value in sorted({p[0] for p in points}):
        out.append(f'<text x="{at_x(value):.1f}" y="{HEIGHT - BOTTOM + 16}" '
                   f'text-anchor="middle">{_short(value)}</text>')
    out.append(f'<text x="{(LEFT + WIDTH - RIGHT) / 2}" y="{HEIGHT - 10}" text-anchor="middle">'
               f'{html.escape(x_label)}</text>')
    out.append(f'<text transform="translate(14 {HEIGHT / 2}) rotate(-90)" text-anchor="middle">'
               f'{html.escape(y_label)}</text>')
    for index, (name, line) in enumerate(lines.items()):
        colour = COLOURS[index % len(COLOURS)]
        path = " ".join(f"{at_x(x):.1f},{at_y(y):.1f}" for x, y, _, _ in line)
        out.append(f'<polyline points="{path}" fill="none" stroke="{colour}" stroke-width="2"/>')
        for x, y, low, high in line:
            out.append(f'<path d="M{at_x(x):.1f} {at_y(low):.1f}V{at_y(high):.1f}" '
                       f'stroke="{colour}"/><circle cx="{at_x(x):.1f}" cy="{at_y(y):.1f}" r="3" '
                       f'fill="{colour}"/>')
        if len(lines) > 1:
            out.append(f'<text x="{WIDTH - RIGHT}" y="{TOP + 14 * (index + 1)}" '
                       f'text-anchor="end" fill="{colour}">{html.escape(name)}</text>')
    return "\n".join(out) + "\n</svg>\n"
