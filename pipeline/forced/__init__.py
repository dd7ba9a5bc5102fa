"""Fluxes of point sources at positions that are known."""

from pipeline.forced.fluxes import ForcedConfig, ForcedFluxes, fluxes

__all__ = ["ForcedConfig", "ForcedFluxes", "fluxes"]
