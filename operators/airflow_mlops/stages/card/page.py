"""The card as one HTML file that needs no other file and no network."""

from __future__ import annotations

from base64 import b64encode
from html import escape

from airflow_mlops.stages.evaluate.page import STYLE

_WIDE = """
body { overflow-wrap: break-word; } td, th { text-align: left; vertical-align: top; }
table { display: block; overflow-x: auto; }
"""
_CHECKS = "<h2>Checks</h2>"


def render_card(markdown: str, picture: bytes | None = None) -> str:
    """Turn a card's Markdown into a page.

    Parameters
    ----------
    markdown : str
        From `write_card`. HTML in it is shown as text, and images in it are not loaded.
    picture : bytes, optional
        SVG of the evidence, put above the checks.
    """
    from markdown_it import MarkdownIt

    parser = MarkdownIt("commonmark", {"html": False}).enable("table").disable(["image", "link", "autolink"])
    body = parser.render(markdown)
    if picture is not None:
        # As an image and not inline: ids and scripts of a drawing stay its own.
        source = b64encode(picture).decode()
        figure = f'<figure><img alt="Evidence of the checks" src="data:image/svg+xml;base64,{source}"></figure>'
        body = body.replace(_CHECKS, f"{_CHECKS}\n{figure}", 1) if _CHECKS in body else f"{body}\n{figure}"
    title = escape(markdown.partition("\n")[0].lstrip("# "))
    return (
        f'<!doctype html><html lang="en"><head><meta charset="utf-8"><title>{title}</title>'
        f"<style>{STYLE}{_WIDE}</style></head><body>\n{body}</body></html>\n"
    )
