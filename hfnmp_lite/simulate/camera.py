"""The camera: sensor-plane irradiance becomes the bytes of a JPEG file.

One function develops live faces, prints and replays alike; nothing here is told a class. The order
of the steps follows Liu et al. 2018 [l]: (PSF and aperture, in `geometry`) -> flare, exposure and
vignette -> inverse colour matrix and white balance -> RGGB mosaic -> noise -> demosaic -> white
balance -> colour matrix -> denoise -> black level -> sRGB -> saturation -> tone -> unsharp ->
resize -> JPEG. The noise model and colour matrices are those of Brooks et al. 2019 [b]; values
marked [t] are our tuning.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import lru_cache

import cv2
import numpy as np

from hfnmp_lite.simulate.geometry import LUMINANCE, Aperture

# XYZ -> camera matrices of the four cameras of the Darmstadt noise data set, as in [b].
XYZ_TO_CAMERA = np.array(
    [
        [[1.0234, -0.2969, -0.2266], [-0.5625, 1.6328, -0.0469], [-0.0703, 0.2188, 0.6406]],
        [[0.4913, -0.0541, -0.0202], [-0.6130, 1.3513, 0.2906], [-0.1564, 0.2151, 0.7183]],
        [[0.8380, -0.2630, -0.0639], [-0.2887, 1.0725, 0.2496], [-0.0627, 0.1427, 0.5438]],
        [[0.6596, -0.2079, -0.0562], [-0.4782, 1.3016, 0.1933], [-0.0970, 0.1581, 0.5181]],
    ]
)
RGB_TO_XYZ = np.array(
    [
        [0.4124564, 0.3575761, 0.1804375],
        [0.2126729, 0.7151522, 0.0721750],
        [0.0193339, 0.1191920, 0.9503041],
    ]
)

# The mean colour that white balance expects of a face crop, linear RGB, green = 1 [t]. A grey-world
# rule would turn a close-up of a face grey; cameras that know faces aim at skin instead.
EXPECTED_MEAN = np.array([1.32, 1.0, 0.82])
MIDDLE_GREY = 0.21  # what auto exposure brings the centre-weighted mean to, linear [t]


@dataclass(frozen=True)
class Camera:
    """A camera as it is in one presentation.

    Attributes
    ----------
    name : str
        The device's.
    n : int
        Sensor pixels across the crop for a 128-px output; scales with the output size.
    aperture : Aperture
        PSF sigma and pixel fill, in sensor pixels, for a 128-px output.
    shot, read : float
        Noise variance is `read + shot * x` for a raw value x in [0, 1] [b].
    red_gain, blue_gain : float
        White-balance gains of this sensor under neutral light [b].
    ccm : tuple of 4 float
        Weights of the four colour matrices `XYZ_TO_CAMERA`, sum 1 [b].
    vignette : float
        Share of the light lost in the corners, 0 to 1.
    flare : float
        Light scattered in the lens, as a share of the picture's mean, all over the picture.
    black : float
        Share of the picture's darkest level that is subtracted as haze, 0 to 1.
    saturation : float
        Factor on the distance from grey: the firmware's picture style.
    denoise : float
        Strength in [0, 1].
    tone : float
        Share of the contrast curve 3x^2 - 2x^3, 0 to 1.
    sharpen : float
        Amount of the unsharp mask (radius one pixel).
    jpeg : int
        Quality as libjpeg counts it, 1 to 100.
    exposure : float
        Bias of the auto exposure, in EV.
    balance : float
        Share of the colour cast that white balance removes, 0 to 1.
    balance_error : tuple of 2 float
        Natural logarithm of its error in the red and the blue gain.
    crop : float
        Share of exposure, white balance and black level that follows the face crop; the rest is
        what the room asks for, whoever or whatever is held up in it.
    """

    name: str
    n: int
    aperture: Aperture
    shot: float
    read: float
    red_gain: float
    blue_gain: float
    ccm: tuple[float, float, float, float]
    vignette: float
    flare: float
    black: float
    saturation: float
    denoise: float
    tone: float
    sharpen: float
    jpeg: int
    exposure: float
    balance: float
    balance_error: tuple[float, float]
    crop: float


@dataclass(frozen=True)
class Room:
    """What a camera sees of a room with a person in it, before anything is held up.

    Attributes
    ----------
    luminance, darkest : float
        Mean and darkest hundredth of the radiance; 1 = a diffuse white.
    light : tuple of 3 float
        Colour of the light, linear RGB, green = 1.
    """

    luminance: float
    darkest: float
    light: tuple[float, float, float]


@dataclass(frozen=True)
class Settings:
    """What the camera measured on a picture, and keeps when a cue is switched off.

    Attributes
    ----------
    exposure : float
        Linear gain.
    balance : tuple of 2 float
        Red and blue gain beside green.
    flare : tuple of 3 float
        Irradiance that the lens scatters, linear RGB, before the gain.
    black : float
        Level to subtract, linear, after the gain.
    """

    exposure: float
    balance: tuple[float, float]
    flare: tuple[float, float, float]
    black: float


@dataclass(frozen=True)
class Developed:
    """A finished picture: the JPEG file, and the sRGB image (h, w, 3) in [0, 1] before it."""

    jpeg: bytes
    rgb: np.ndarray


def sensor_pixels(camera: Camera, size: int) -> int:
    """Return the (even) number of sensor pixels across the crop for an output of `size` pixels."""
    return max(32, 2 * round(camera.n * size / 256))


def aperture_at(camera: Camera, size: int) -> Aperture:
    """Return PSF and fill in pixels of the sensor for an output of `size` pixels.

    More pixels see through the same lens: its PSF keeps its width on the scene, so that a domain
    shows the same cues at any size; the share of a pixel that collects light stays.
    """
    return replace(camera.aperture, sigma=camera.aperture.sigma * size / 128)


@lru_cache(maxsize=64)
def colour_matrix(ccm: tuple[float, float, float, float]) -> np.ndarray:
    """Return linear sRGB -> camera RGB (3, 3), rows sum to 1, so that neutral stays neutral [b]."""
    matrix = np.tensordot(np.asarray(ccm), XYZ_TO_CAMERA, axes=1) @ RGB_TO_XYZ
    return matrix / matrix.sum(axis=1, keepdims=True)


def srgb_to_linear(image: np.ndarray) -> np.ndarray:
    """Decode sRGB values in [0, 1] (IEC 61966-2-1); any shape, float32."""
    x = np.asarray(image, np.float32)
    return np.where(x <= 0.04045, x / 12.92, ((np.maximum(x, 0) + 0.055) / 1.055) ** 2.4)


def linear_to_srgb(image: np.ndarray) -> np.ndarray:
    """Encode linear values as sRGB (IEC 61966-2-1), clipped to [0, 1]; any shape, float32."""
    x = np.clip(np.asarray(image, np.float32), 0, 1)
    return np.where(x <= 0.0031308, 12.92 * x, 1.055 * x ** np.float32(1 / 2.4) - 0.055)


def meter(irradiance: np.ndarray, camera: Camera, room: Room) -> Settings:
    """Measure flare, auto exposure, auto white balance and black level.

    A camera meters the room; by the share `camera.crop` it follows what fills the crop. Exposure
    brings the mean luminance (centre-weighted, in the crop) to `MIDDLE_GREY`. White balance turns
    the room's light neutral and the crop's mean into `EXPECTED_MEAN`, in camera RGB, by the share
    `camera.balance`. Black is the share `camera.black` of the darkest hundredth's level.
    Counterfactuals reuse the settings of the full picture.

    Parameters
    ----------
    irradiance : (n, n, 3) float32
        Linear RGB on the sensor plane, after PSF and aperture.
    room : Room
        Where the camera stands, with the person, live.
    """
    n, crop = irradiance.shape[0], camera.crop
    flare = camera.flare * irradiance.mean((0, 1), dtype=np.float64)
    irradiance = irradiance + flare.astype(np.float32)
    t = (np.arange(n, dtype=np.float32) + 0.5) / n - 0.5
    weight = np.exp(-(t[:, None] ** 2 + t[None, :] ** 2) / (2 * 0.35**2))
    # what would be blown out counts no more than white: a lamp does not darken the face
    luminance = np.maximum(cv2.transform(irradiance, LUMINANCE[None]), 0)
    mean = float(np.average(luminance, weights=weight))
    luminance = np.minimum(luminance, 4 * mean)
    mean = max(float(np.average(luminance, weights=weight)), 1e-6)
    exposure = MIDDLE_GREY * 2**camera.exposure / (room.luminance ** (1 - crop) * mean**crop)
    darkest = (1 - crop) * room.darkest + crop * float(np.percentile(luminance[::2, ::2], 1))

    weight = weight * (luminance * exposure < 0.9)
    if weight.sum() <= 0:
        weight = np.ones_like(luminance)
    colour = np.array([np.average(irradiance[..., c], weights=weight) for c in range(3)])
    matrix = colour_matrix(camera.ccm)
    of_crop = _cast(matrix @ EXPECTED_MEAN, matrix @ np.maximum(colour, 1e-6))
    of_room = _cast(matrix.sum(1), matrix @ np.array(room.light))
    gain = (of_room ** (1 - crop) * of_crop**crop) ** camera.balance
    red, blue = gain[[0, 2]] * np.exp(camera.balance_error)
    return Settings(
        exposure=float(exposure),
        balance=(float(red), float(blue)),
        flare=tuple(float(v) for v in flare),
        black=min(camera.black * darkest * exposure, 0.2),
    )


def _cast(wanted: np.ndarray, measured: np.ndarray) -> np.ndarray:
    """Gains, green = 1, that turn a measured colour (3,) into the wanted one."""
    measured = np.maximum(measured, 1e-6)
    return np.clip((wanted / wanted[1]) / (measured / measured[1]), 0.3, 3.0)


def develop(
    irradiance: np.ndarray,
    camera: Camera,
    settings: Settings,
    seed: int,
    size: int,
    finish: Callable[[np.ndarray], np.ndarray] | None = None,
) -> Developed:
    """Turn sensor-plane irradiance into a JPEG file.

    Parameters
    ----------
    irradiance : (n, n, 3) float32
        Linear RGB after PSF and aperture; n even.
    seed : int
        Of the noise. The same seed gives the same standard normals whatever the picture, scaled by
        the picture's own variance (common random numbers).
    size : int
        Side of the output, in pixels.
    finish : callable, optional
        Applied to the (size, size, 3) sRGB image before JPEG: where software burns in a logo.
    """
    n = irradiance.shape[0]
    to_camera = colour_matrix(camera.ccm)
    native = np.array([1 / camera.red_gain, 1, 1 / camera.blue_gain])
    light = (irradiance + np.array(settings.flare, np.float32)) * np.float32(settings.exposure)
    light *= _vignette(n, camera.vignette)[..., None]
    raw = cv2.transform(light, (native[:, None] * to_camera).astype(np.float32))
    rgb = demosaic(sense(raw, camera, seed))
    gains = np.array([settings.balance[0], 1, settings.balance[1]]) / native
    # clipped at white, as a saturated green would otherwise turn highlights magenta
    rgb = np.clip(rgb * gains.astype(np.float32), 0, 1)
    rgb = cv2.transform(rgb, np.linalg.inv(to_camera).astype(np.float32))
    rgb = denoise(np.clip(rgb, 0, 1), camera)
    rgb = linear_to_srgb((rgb - np.float32(settings.black)) / np.float32(1 - settings.black))
    grey = cv2.transform(rgb, LUMINANCE[None])[..., None]
    rgb = np.clip(grey + np.float32(camera.saturation) * (rgb - grey), 0, 1)
    rgb = rgb + np.float32(camera.tone) * (rgb * rgb * (3 - 2 * rgb) - rgb)
    rgb = rgb + np.float32(camera.sharpen) * (rgb - cv2.GaussianBlur(rgb, (0, 0), 1.0))
    rgb = np.clip(resize(rgb, size), 0, 1)
    if finish is not None:
        rgb = finish(rgb)
    return Developed(encode_jpeg(rgb, camera.jpeg), rgb)


def sense(raw: np.ndarray, camera: Camera, seed: int) -> np.ndarray:
    """Sample an RGGB mosaic of the raw image (n, n, 3) and add noise; returns (n, n) float32.

    Variance `read + shot * x` [b]. Values above 1 are saturated; values below 0 stay, as sensors
    keep them by a pedestal.
    """
    mosaic = raw[..., 1].copy()
    mosaic[0::2, 0::2] = raw[0::2, 0::2, 0]
    mosaic[1::2, 1::2] = raw[1::2, 1::2, 2]
    normals = np.random.default_rng(seed).standard_normal(mosaic.shape, dtype=np.float32)
    variance = np.float32(camera.read) + np.float32(camera.shot) * np.clip(mosaic, 0, 1)
    return np.minimum(mosaic + normals * np.sqrt(variance), np.float32(1))


def _malvar() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Kernels of Malvar, He and Cutler (2004): green, same-row colour, opposite colour."""
    green = np.zeros((5, 5), np.float32)
    green[2] = [-1, 2, 4, 2, -1]
    green[[0, 4], 2] = -1
    green[[1, 3], 2] = 2
    row = np.zeros((5, 5), np.float32)
    row[2] = [-1, 4, 5, 4, -1]
    row[[0, 4], 2] = 0.5
    row[1, [1, 3]] = row[3, [1, 3]] = -1
    opposite = np.zeros((5, 5), np.float32)
    opposite[2] = [-1.5, 0, 6, 0, -1.5]
    opposite[[0, 4], 2] = -1.5
    opposite[1, [1, 3]] = opposite[3, [1, 3]] = 2
    return green / 8, row / 8, opposite / 8


def demosaic(mosaic: np.ndarray) -> np.ndarray:
    """Interpolate an RGGB mosaic (n, n), n even, to RGB (n, n, 3) (Malvar, He and Cutler 2004)."""
    k_green, k_row, k_opposite = _malvar()
    border = cv2.BORDER_REFLECT_101  # keeps the phase of the mosaic
    green = cv2.filter2D(mosaic, -1, k_green, borderType=border)
    row = cv2.filter2D(mosaic, -1, k_row, borderType=border)
    column = cv2.filter2D(mosaic, -1, np.ascontiguousarray(k_row.T), borderType=border)
    opposite = cv2.filter2D(mosaic, -1, k_opposite, borderType=border)
    rgb = np.repeat(mosaic[..., None], 3, axis=2)
    r, g1, g2, b = np.s_[0::2, 0::2], np.s_[0::2, 1::2], np.s_[1::2, 0::2], np.s_[1::2, 1::2]
    for at in (r, b):
        rgb[(*at, 1)] = green[at]
    rgb[(*b, 0)], rgb[(*r, 2)] = opposite[b], opposite[r]
    rgb[(*g1, 0)], rgb[(*g1, 2)] = row[g1], column[g1]
    rgb[(*g2, 0)], rgb[(*g2, 2)] = column[g2], row[g2]
    return rgb


def denoise(rgb: np.ndarray, camera: Camera) -> np.ndarray:
    """Smooth noise but not edges, on the square root, where shot noise has one variance.

    Luminance is filtered bilaterally with a range of a few noise standard deviations, colour
    difference by a Gaussian, as in camera firmware [t]. (n, n, 3) linear in and out.
    """
    if camera.denoise <= 0:
        return rgb
    root = np.sqrt(rgb)
    ycc = cv2.cvtColor(root, cv2.COLOR_RGB2YCrCb)
    # d sqrt(x) = dx / (2 sqrt x): shot noise of variance shot * x becomes sqrt(shot) / 2
    deviation = 0.5 * np.sqrt(camera.shot + 4 * np.sqrt(camera.read * camera.shot))
    luma = cv2.bilateralFilter(ycc[..., 0], 5, float(3.0 * deviation), 1.5)
    ycc[..., 0] += np.float32(camera.denoise) * (luma - ycc[..., 0])
    chroma = cv2.GaussianBlur(ycc[..., 1:], (0, 0), 0.4 + 1.2 * camera.denoise)
    ycc[..., 1:] = chroma
    return np.clip(cv2.cvtColor(ycc, cv2.COLOR_YCrCb2RGB), 0, 1) ** 2


def resize(image: np.ndarray, size: int) -> np.ndarray:
    """Resize (n, n[, c]) to (size, size[, c]): pixel averages downwards, cubic upwards."""
    if image.shape[0] == size:
        return image
    method = cv2.INTER_AREA if image.shape[0] > size else cv2.INTER_CUBIC
    return cv2.resize(image, (size, size), interpolation=method)


def to_bytes(rgb: np.ndarray) -> np.ndarray:
    """Round sRGB values in [0, 1] to uint8."""
    return (np.clip(rgb, 0, 1) * 255 + 0.5).astype(np.uint8)


def encode_jpeg(rgb: np.ndarray, quality: int) -> bytes:
    """Encode an sRGB image (h, w, 3) in [0, 1] as JPEG, 4:2:0."""
    flags = [cv2.IMWRITE_JPEG_QUALITY, int(quality)]
    ok, data = cv2.imencode(".jpg", to_bytes(rgb)[..., ::-1], flags)
    if not ok:
        raise RuntimeError("OpenCV could not encode the JPEG")
    return data.tobytes()


def decode_jpeg(jpeg: bytes) -> np.ndarray:
    """Decode JPEG bytes to RGB uint8 (h, w, 3)."""
    return cv2.imdecode(np.frombuffer(jpeg, np.uint8), cv2.IMREAD_COLOR)[..., ::-1].copy()


@lru_cache(maxsize=64)
def _vignette(n: int, strength: float) -> np.ndarray:
    t = ((np.arange(n, dtype=np.float32) + 0.5) / n - 0.5) * 2
    falloff = 1 - np.float32(strength) * (t[:, None] ** 2 + t[None, :] ** 2) / 2
    falloff.flags.writeable = False
    return falloff
