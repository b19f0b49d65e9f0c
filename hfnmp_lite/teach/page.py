"""One HTML file that needs nothing else: helpers that escape, and the style of the page.

What goes through `text` or `table` may come from anywhere; markup is written by us alone and marked
by the type `Markup`, so that a forgotten escape is a visible type error, not a hole.
"""

from __future__ import annotations

import base64
from collections.abc import Iterable, Sequence
from html import escape


class Markup(str):
    """HTML that is safe to insert as it stands."""

    __slots__ = ()


def text(value: object) -> Markup:
    """Escape anything but `Markup`."""
    return value if isinstance(value, Markup) else Markup(escape(str(value)))


def join(parts: Iterable[object], between: str = "\n") -> Markup:
    """Put parts after one another, escaped where they need it."""
    return Markup(between.join(text(part) for part in parts))


def tag(name: str, *content: object, **attributes: object) -> Markup:
    """Build <name attributes>content</name>; `class_` becomes class, None attributes vanish."""
    listed = "".join(
        f' {key.rstrip("_").replace("_", "-")}="{escape(str(value))}"'
        for key, value in attributes.items()
        if value is not None
    )
    return Markup(f"<{name}{listed}>{join(content, '')}</{name}>")


def paragraph(*content: object, class_: str | None = None) -> Markup:
    """Build a paragraph."""
    return tag("p", *content, class_=class_)


def picture(data: bytes, alt: str, caption: object = None, class_: str | None = None) -> Markup:
    """Build a figure with the image inside the page; PNG and SVG are told apart."""
    kind = "png" if data.startswith(b"\x89PNG") else "svg+xml"
    source = f"data:image/{kind};base64,{base64.b64encode(data).decode()}"
    image = Markup(f'<img src="{source}" alt="{escape(alt)}">')
    below = "" if caption is None else tag("figcaption", caption)
    return tag("figure", image, below, class_=class_)


def table(header: Sequence[object], rows: Iterable[Sequence[object]]) -> Markup:
    """Build a table whose first column names its rows."""
    head = tag("tr", *(tag("th", cell, scope="col") for cell in header)) if header else ""
    body = [
        tag("tr", tag("th", row[0], scope="row"), *(tag("td", cell) for cell in row[1:]))
        for row in rows
    ]
    inner = tag("table", tag("thead", head) if header else "", tag("tbody", *body))
    return tag("div", inner, class_="scroll")


def definitions(*pairs: tuple[object, object]) -> Markup:
    """Build a list of terms and what they mean."""
    return tag("dl", *(join([tag("dt", term), tag("dd", said)]) for term, said in pairs))


def section(title: str, *content: object, id_: str) -> Markup:
    """Build a section with its heading."""
    return tag(
        "section", tag("h2", title, id=f"{id_}-title"), *content, aria_labelledby=f"{id_}-title"
    )


def per_cent(rate: float, interval: Sequence[float] | None = None) -> str:
    """Write a rate in [0, 1] with one digit, and its interval where there is one."""
    said = f"{100 * rate:.1f} %"
    return (
        said if interval is None else f"{said} [{100 * interval[0]:.1f}, {100 * interval[1]:.1f}]"
    )


def page(title: str, *content: object) -> str:
    """Build the whole file."""
    return "\n".join(
        [
            "<!DOCTYPE html>",
            '<html lang="en">',
            "<head>",
            '<meta charset="utf-8">',
            '<meta name="viewport" content="width=device-width, initial-scale=1">',
            # Nothing may be fetched, whatever the page holds.
            '<meta http-equiv="Content-Security-Policy" content="default-src \'none\'; '
            "img-src data:; style-src 'unsafe-inline'\">",
            tag("title", title),
            f"<style>{STYLE}</style>",
            "</head>",
            "<body>",
            tag("main", *content),
            "</body>",
            "</html>",
            "",
        ]
    )


STYLE = """
:root { --ink: #1a1a1a; --soft: #595959; --line: #d9d9d9; --tint: #f3f6f9; --live: #0072b2;
  --warn: #d55e00; }
* { box-sizing: border-box; }
body { margin: 0; color: var(--ink); background: #fff;
  font: 17px/1.55 system-ui, -apple-system, "Segoe UI", Roboto, "DejaVu Sans", sans-serif; }
main { max-width: 1060px; margin: 0 auto; padding: 28px 20px 60px; }
h1 { font-size: 2.1rem; line-height: 1.2; margin: .2em 0 .3em; }
h2 { font-size: 1.45rem; margin: 2.2em 0 .5em; padding-top: .6em;
  border-top: 2px solid var(--ink); }
h3 { font-size: 1.1rem; margin: 1.4em 0 .3em; }
p, li, dd { max-width: 46em; }
.kicker { color: var(--soft); letter-spacing: .04em; margin: 0; }
.answer { font-size: 1.25rem; line-height: 1.45; }
.note { color: var(--soft); font-size: .93rem; }
.caveat { border-left: 6px solid var(--warn); background: #fdf3ec; padding: .8em 1.1em;
  margin: 1.4em 0; }
.caveat p { margin: .2em 0; max-width: none; }
.cards { display: grid; grid-template-columns: repeat(auto-fit, minmax(220px, 1fr)); gap: 14px;
  margin: 1.4em 0; padding: 0; list-style: none; }
.cards li { background: var(--tint); border-top: 5px solid var(--live); padding: .8em 1em; }
.cards li.oracle { background: #f5f5f5; border-top: 5px dashed #767676; }
.cards strong { display: block; font-size: 2.1rem; line-height: 1.2; }
.cards .oracle strong { color: var(--soft); }
.cards .name { font-weight: 600; }
.cards .more { color: var(--soft); font-size: .9rem; }
.pair { display: grid; grid-template-columns: minmax(0, 5fr) minmax(0, 7fr); gap: 18px;
  align-items: start; }
figure { margin: 1em 0; }
figure img { max-width: 100%; height: auto; display: block; }
figcaption { color: var(--soft); font-size: .93rem; margin-top: .4em; max-width: 50em; }
.cases { display: grid; grid-template-columns: repeat(auto-fill, minmax(232px, 1fr)); gap: 18px; }
.cases figure { margin: 0; }
.cases img { width: 100%; image-rendering: pixelated; border: 1px solid var(--line); }
.cases figcaption { color: var(--ink); }
.scroll { overflow-x: auto; }
table { border-collapse: collapse; margin: .8em 0; font-size: .95rem; }
th, td { text-align: left; padding: .38em .9em .38em 0; border-bottom: 1px solid var(--line);
  vertical-align: top; }
td { font-variant-numeric: tabular-nums; }
tbody th { font-weight: 600; white-space: nowrap; }
dt { font-weight: 600; margin-top: .6em; }
dd { margin: 0 0 0 1.2em; }
code { font-family: ui-monospace, "DejaVu Sans Mono", Menlo, Consolas, monospace; font-size: .9em;
  background: var(--tint); padding: .1em .3em; overflow-wrap: anywhere; }
@media screen and (max-width: 760px) { .pair { grid-template-columns: minmax(0, 1fr); }
  h1 { font-size: 1.6rem; } .wide { overflow-x: auto; }
  .wide img { max-width: none; width: 720px; } }
@media print { body { font-size: 11pt; } main { max-width: none; padding: 0; }
  figure, .cards li, .caveat, tr { break-inside: avoid; } h2, h3, h2 + p, dt { break-after: avoid; }
  p { orphans: 3; widows: 3; }
  .wide img { max-height: 195mm; }
  .cards { grid-template-columns: repeat(3, 1fr); }
  .cases { grid-template-columns: repeat(4, 1fr); }
  * { print-color-adjust: exact; -webkit-print-color-adjust: exact; } }
"""
