"""Why an image cannot be processed: one error per stage, saying the cause and what to do."""

from __future__ import annotations

from apdb.errors import ApdbError


class StageError(ApdbError):
    """A stage of the image pipeline cannot go on with this image.

    Parameters
    ----------
    cause : str
        What is wrong, with the values that show it, and what to do.

    Attributes
    ----------
    stage : str
        Name of the stage.
    cause : str
        As given.
    """

    stage = "image"

    def __init__(self, cause: str) -> None:
        self.cause = cause
        super().__init__(f"{self.stage}: {cause}")


class ReadError(StageError):
    """A file is no image that can be processed."""

    stage = "read"


class IsrError(StageError):
    """Signature of the instrument cannot be removed."""

    stage = "isr"


class CalibrateError(StageError):
    """PSF, WCS or zero point cannot be found."""

    stage = "calibrate"


class TemplateError(StageError):
    """No usable template covers the image."""

    stage = "template"


class SubtractError(StageError):
    """The template cannot be matched to the image."""

    stage = "subtract"


class DetectError(StageError):
    """The difference has no pixels to search, or noise that cannot be measured."""

    stage = "detect"


class MeasureError(StageError):
    """Detections cannot be measured on these images."""

    stage = "measure"


class ClassifyError(StageError):
    """The model of real and bogus cannot be trained or used."""

    stage = "classify"
