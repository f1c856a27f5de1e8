"""WCAG 2.2 §1.4.3 and §1.4.11: the colour tokens of the design system, in both themes."""

import re
from pathlib import Path

import pytest
from django.conf import settings

CSS = Path(settings.BASE_DIR, "static/portal/portal.css").read_text()
TOKENS = {
    # Plain colours first: those of the print style give way to the themes' below.
    **{name: (colour, colour) for name, colour in re.findall(r"--([\w-]+): (#[0-9a-f]{6});", CSS)},
    **{
        name: (light, dark)
        for name, light, dark in re.findall(
            r"--([\w-]+): light-dark\((#[0-9a-f]{6}), (#[0-9a-f]{6})\);", CSS
        )
    },
}
TEXT = [
    *((ink, ground) for ink in ("ink", "ink-soft", "accent") for ground in ("canvas", "surface")),
    *((ink, "sunken") for ink in ("ink", "ink-soft")),
    *((tone, f"{tone}-wash") for tone in ("good", "near", "full", "accent")),
    *(("ink", f"{tone}-wash") for tone in ("good", "near", "full", "accent")),
    ("full", "surface"),
    ("ink-soft", "accent-wash"),
    ("on-accent", "accent-fill"),
    ("on-accent", "accent-fill-hover"),
    ("on-accent", "danger-fill"),
    ("on-accent", "danger-fill-hover"),
    ("code-ink", "code-canvas"),
    ("code-soft", "code-canvas"),
]
SHAPES = [
    ("line-strong", "surface"),  # the border of a field
    ("accent", "canvas"),  # the focus ring
    *((f"class-{status}", "surface") for status in (2, 3, 4, 5)),
]


def luminance(colour):
    channels = [int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5)]
    red, green, blue = (
        channel / 12.92 if channel <= 0.04045 else ((channel + 0.055) / 1.055) ** 2.4
        for channel in channels
    )
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def contrast(one, other):
    light, dark = sorted((luminance(one), luminance(other)), reverse=True)
    return (light + 0.05) / (dark + 0.05)


@pytest.mark.parametrize("theme", [0, 1], ids=["light", "dark"])
@pytest.mark.parametrize(("ink", "ground"), TEXT)
def test_text_stands_out(ink, ground, theme):
    assert contrast(TOKENS[ink][theme], TOKENS[ground][theme]) >= 4.5


@pytest.mark.parametrize("theme", [0, 1], ids=["light", "dark"])
@pytest.mark.parametrize(("shape", "ground"), SHAPES)
def test_shapes_stand_out(shape, ground, theme):
    assert contrast(TOKENS[shape][theme], TOKENS[ground][theme]) >= 3
