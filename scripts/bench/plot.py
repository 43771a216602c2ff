"""A plot of milliseconds (logarithmic) over seconds, as SVG."""
import math
from html import escape

WIDTH, HEIGHT = 1000, 460
LEFT, RIGHT, TOP, BOTTOM = 70, 20, 84, 44


def save_plot(file, title, series):
    """`series`: (label, colour, dash of its marks, [(s, ms)], [s of a vertical mark]), the first
    above the others."""
    points = [point for *_, some, _ in series for point in some]
    seconds = max(at for at, _ in points) or 1
    low = math.floor(math.log10(max(min(ms for _, ms in points), 0.001)))
    high = max(math.ceil(math.log10(max(ms for _, ms in points))), low + 1)

    def x(at):
        return LEFT + (WIDTH - LEFT - RIGHT) * at / seconds

    def y(ms):
        share = (math.log10(max(ms, 10 ** low)) - low) / (high - low)
        return HEIGHT - BOTTOM - (HEIGHT - TOP - BOTTOM) * share

    def line(x1, y1, x2, y2, colour, more=""):
        return (f'<line x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}" stroke="{colour}" '
                f'{more}/>')

    def text(at_x, at_y, what, more=""):
        return f'<text x="{at_x:.1f}" y="{at_y:.1f}" {more}>{escape(what)}</text>'

    out = [f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" '
           'font-family="sans-serif" font-size="12">',
           f'<rect width="{WIDTH}" height="{HEIGHT}" fill="white"/>',
           text(LEFT, 20, title, 'font-size="14"')]
    for decade in range(low, high + 1):
        for step in range(1, 10 if decade < high else 2):
            at = y(step * 10 ** decade)
            out.append(line(LEFT, at, WIDTH - RIGHT, at, "#bbb" if step == 1 else "#eee"))
        out.append(text(LEFT - 6, y(10 ** decade) + 4, f"{10.0 ** decade:g} ms",
                        'text-anchor="end"'))
    every = next(e for e in (1, 2, 5, 10, 20, 60, 600) if seconds / e <= 24 or e == 600)
    for at in range(0, int(seconds) + 1, every):
        out.append(line(x(at), HEIGHT - BOTTOM, x(at), HEIGHT - BOTTOM + 5, "#888"))
        out.append(text(x(at), HEIGHT - BOTTOM + 18, f"{at} s", 'text-anchor="middle"'))
    for number, (label, colour, dash, some, ended) in reversed(list(enumerate(series))):
        for at in ended:
            out.append(line(x(at), TOP, x(at), HEIGHT - BOTTOM, colour,
                            f'stroke-dasharray="{dash or "none"}" stroke-opacity="0.45"'))
        path = " ".join(f"{x(at):.1f},{y(ms):.1f}" for at, ms in some)
        out.append(f'<polyline points="{path}" fill="none" stroke="{colour}" stroke-width="1.2"/>')
        out.append(f'<rect x="{LEFT}" y="{32 + 20 * number}" width="14" height="10" '
                   f'fill="{colour}"/>')
        out.append(text(LEFT + 20, 41 + 20 * number, label))
    file.parent.mkdir(exist_ok=True)
    file.write_text("\n".join([*out, "</svg>\n"]))
