"""From tissue along the beams to the grey picture of a scanner.

The echo is the sum of random scatterers and mirror-like interfaces convolved with the point-spread function
of the beam (Bamber & Dickinson 1980; COLE: Gao et al. 2009), so that fully developed speckle has a Rayleigh
envelope with mean / deviation 1.91 (Burckhardt 1978; Wagner et al. 1983). Attenuation is cumulative along
the beam, which makes shadows behind strong attenuators and enhancement behind fluid. The envelope is log
compressed. Convolution happens on the demodulated (complex) signal with separable Gaussians, lateral width
growing away from the focus.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float32]

_NEPER = float(np.log(10) / 20)


@dataclass(frozen=True)
class Scanner:
    """Settings of the machine. Widths are standard deviations in beam-space pixels, gains in dB."""

    axial: float
    lateral: float
    defocus: float
    focus: float
    coherence: float
    leak: float
    haze: float
    floor: tuple[float, float]
    tgc: Array
    beam_gain: Array
    speckle: float
    dynamic_range: float
    white: float
    gamma: float
    smooth: float
    sharpen: float


def draw_scanner(
    rng: np.random.Generator, samples: int, beams: int, *, fine: float = 1.0, range_db: float | None = None
) -> Scanner:
    """Random settings for a (samples, beams) beam space; `fine` scales the speckle size."""
    axial = np.exp(rng.uniform(np.log(0.6), np.log(1.6))) * fine
    knots = rng.normal(0, 3.0, 5)
    tgc = np.interp(np.linspace(0, 4, samples), np.arange(5), knots)
    contact = rng.normal(0, rng.uniform(0.3, 3.5), 8)
    contact -= 18 * (rng.random(8) < 0.04)
    beam_gain = np.interp(np.linspace(0, 7, beams), np.arange(8), contact)
    reduced = rng.random() < 0.5
    return Scanner(
        axial=axial,
        lateral=axial * rng.uniform(1.1, 3.0),
        defocus=rng.uniform(1.2, 2.2),
        focus=rng.uniform(0.2, 0.8),
        coherence=rng.uniform(0.4, 0.95),
        leak=10 ** rng.uniform(-5, -2.2),
        haze=rng.uniform(-60, -22),
        floor=(rng.uniform(-65, -35), rng.uniform(0, 18)),
        tgc=tgc.astype(np.float32),
        beam_gain=cv2.GaussianBlur(beam_gain.astype(np.float32)[None], (0, 0), beams / 40)[0],
        speckle=rng.uniform(0.2, 0.7) if reduced else rng.uniform(0.7, 1.0),
        dynamic_range=range_db or rng.uniform(35, 75),
        white=rng.uniform(0.4, 0.97),
        gamma=np.exp(rng.normal(0, 0.25)),
        smooth=rng.uniform(0.3, 1.0) if rng.random() < 0.4 else 0.0,
        sharpen=rng.uniform(0.3, 1.2) if rng.random() < 0.25 else 0.0,
    )


def scatterers(rng: np.random.Generator, shape: tuple[int, int, int], elevation: float) -> Array:
    """Complex white noise (slices, samples, beams, 2) of unit power, correlated over `elevation` slices."""
    slices, samples, beams = shape
    if slices == 1:
        return rng.standard_normal((1, samples, beams, 2), dtype=np.float32) * np.float32(0.5**0.5)
    kernel = np.asarray(cv2.getGaussianKernel(7, elevation, cv2.CV_32F)[:, 0], np.float32)
    kernel = kernel / np.sqrt(2 * (kernel**2).sum(), dtype=np.float32)
    noise = rng.standard_normal((slices + 6, samples, beams, 2), dtype=np.float32)
    return np.stack([np.tensordot(kernel, noise[k : k + 7], axes=1) for k in range(slices)])


def _kernel(width: float) -> Array:
    taps = 2 * int(np.ceil(2.5 * width)) + 1
    return np.asarray(cv2.getGaussianKernel(taps, width, cv2.CV_32F)[:, 0], np.float32)


def received(tissue: Array, noise: Array, step: float, scanner: Scanner) -> Array:
    """Envelope in dB, (samples, beams).

    tissue: (samples, beams, 3) echogenicity in dB, interface reflection (amplitude) and attenuation in dB
    per picture height above what the time gain makes up for. noise: (samples, beams, 2) unit-power complex
    scatterers. step: distance of samples in picture heights.
    """
    samples = len(tissue)
    loss = np.cumsum(cv2.GaussianBlur(tissue[..., 2], (9, 1), 2.0), axis=0) * np.float32(step)
    gain = np.exp((scanner.tgc[:, None] + scanner.beam_gain - loss) * np.float32(_NEPER))
    diffuse = np.exp(tissue[..., 0] * np.float32(_NEPER))
    mirror = tissue[..., 1] * gain * np.float32(scanner.coherence)
    diffuse += tissue[..., 1] * np.float32(1 - scanner.coherence)
    power = (diffuse * gain) ** 2
    depth = np.linspace(0, 1, samples, dtype=np.float32)[:, None]
    power += np.float32(scanner.leak) * cv2.blur(power + mirror * mirror, (power.shape[1] // 8, 5))
    power += np.exp((scanner.haze - 25 * depth) * np.float32(2 * _NEPER))
    power += np.exp((scanner.floor[0] + scanner.floor[1] * depth) * np.float32(2 * _NEPER))
    echo = _convolve(np.sqrt(power), mirror, noise, depth, scanner)
    level = 10 * np.log10(echo[..., 0] ** 2 + echo[..., 1] ** 2 + np.float32(1e-12))
    if scanner.speckle < 1:
        width = (scanner.lateral / 1.4, scanner.axial / 1.4)
        mean = cv2.GaussianBlur(power + mirror * mirror, (0, 0), width[0], sigmaY=width[1])
        quiet = 10 * np.log10(mean + np.float32(1e-12)) - np.float32(2.5)
        level = quiet + np.float32(scanner.speckle) * (level - quiet)
    return np.asarray(level, np.float32)


def _convolve(amplitude: Array, mirror: Array, noise: Array, depth: Array, scanner: Scanner) -> Array:
    axial, sharp, blurred = (
        _kernel(w) for w in (scanner.axial, scanner.lateral, scanner.lateral * scanner.defocus)
    )
    padded = np.pad(sharp, (len(blurred) - len(sharp)) // 2)
    away = np.minimum(np.abs(depth - scanner.focus) * 1.6, 1).astype(np.float32)
    energy = (1 - away) ** 2 * (sharp @ sharp) + away**2 * (blurred @ blurred)
    energy = (energy + 2 * away * (1 - away) * (padded @ blurred)) * (axial @ axial)
    field = noise * (amplitude / np.sqrt(energy))[..., None]
    field[..., 0] += mirror
    edge = cv2.BORDER_REFLECT
    near = cv2.sepFilter2D(field, cv2.CV_32F, sharp, axial, borderType=edge)
    far = cv2.sepFilter2D(field, cv2.CV_32F, blurred, axial, borderType=edge)
    result: Array = near + away[..., None] * (far - near)
    return result


def compress(level: Array, reference: float, scanner: Scanner) -> Array:
    """Grey picture 0..1 of a level in dB; `reference` dB is shown at the grey `scanner.white`."""
    scale = np.float32(1 / scanner.dynamic_range)
    grey = np.clip((level - np.float32(reference)) * scale + np.float32(scanner.white), 0, 1)
    grey = np.asarray(cv2.pow(grey, scanner.gamma), np.float32)
    if scanner.smooth:
        grey = np.asarray(cv2.GaussianBlur(grey, (0, 0), scanner.smooth), np.float32)
    if scanner.sharpen:
        grey = grey + np.float32(scanner.sharpen) * (grey - cv2.GaussianBlur(grey, (0, 0), 1.5))
    return np.clip(grey, 0, 1)
