"""Templates: built from exposures, warped to a science image, registered with its stars."""

from pipeline.template.align import Aligned, align
from pipeline.template.build import Template, TemplateConfig, build
from pipeline.template.mapping import Affine
from pipeline.template.register import Registration, register
from pipeline.template.warp import warp

__all__ = [
    "Affine",
    "Aligned",
    "Registration",
    "Template",
    "TemplateConfig",
    "align",
    "build",
    "register",
    "warp",
]
