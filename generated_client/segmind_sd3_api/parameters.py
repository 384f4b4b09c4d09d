"""The parameters of every endpoint: what each means, its bounds, and what is sent when nobody says.

Made by make generate out of openapi/*.yaml: edit those. No HTTP library is loaded from here.
"""

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum
from typing import IO, Any, Final, Literal, NamedTuple, Protocol, Required, TypeAlias, TypedDict


class NoDefault(Enum):
    """The type of `NO_DEFAULT`, which differs from every value that could be sent."""

    NO_DEFAULT = "no default"

    def __repr__(self) -> str:
        return self.name


NO_DEFAULT: Final = NoDefault.NO_DEFAULT


class Random(NamedTuple):
    """A whole number that is drawn anew for each call, both ends included."""

    low: int
    high: int


class Parameter(NamedTuple):
    """What the pages say of one parameter, and what the SDK makes of it."""

    name: str
    """Its name on the wire, which is its name in Python too."""
    kind: Literal["integer", "number", "string", "boolean", "image"]
    doc: str
    """One paragraph: meaning, range, default, known values, whether it affects the price."""
    required: bool = False
    """Whether the caller has to give it: not what the page requires, where the SDK sends a value by itself."""
    minimum: float | int | None = None
    maximum: float | int | None = None
    multiple_of: int | None = None
    sdk_maximum: int | None = None
    """The highest value that the SDK sends where the page sets no maximum; `extra` sends more."""
    documented_default: object = NO_DEFAULT
    """What the page says is used when nothing is sent, be it possible or not."""
    sdk_default: object = NO_DEFAULT
    """What the SDK sends when the caller gives nothing; a `Random` for a number drawn by each call."""
    known_values: tuple[str, ...] = ()
    """Of a text with known values; any other text is sent too, unless they are all that there are."""
    closed: bool = False
    """Whether the page lists the known values as all that there are."""
    affects_pricing: bool = False
    counts_images: bool = False
    """Whether it says how many pictures one call draws."""
    hidden: bool = False
    """Whether the SDK sets it, and the caller can't but through `extra`."""


@dataclass(frozen=True, slots=True)
class Operation:
    """One endpoint, and its parameters in the order of its page."""

    operation_id: str
    slug: str
    path: str
    page: str
    """Address of the page that documents it."""
    summary: str
    doc: str
    usd_per_picture: float | None = None
    """What a picture costs at default settings, on average; an estimate."""
    deprecated: bool = False
    parameters: Mapping[str, Parameter] = field(default_factory=dict[str, Parameter])


class Readable(Protocol):
    """An open file, in binary mode."""

    def read(self) -> bytes | bytearray | memoryview: ...


class AsyncReadable(Protocol):
    """An open file that is read with `await`. `AsyncClient` takes it."""

    async def read(self) -> bytes | bytearray | memoryview: ...


class ReadableBytes(Protocol):
    """A path that is none of the system's, such as one of a package's resources or in a ZIP archive."""

    def read_bytes(self) -> bytes: ...


class Response(Protocol):
    """The response of a host to a request for a picture."""

    status_code: int

    @property
    def content(self) -> Any: ...


class PillowImage(Protocol):
    """A picture of Pillow."""

    def save(self, fp: IO[bytes], format: str | None = None) -> None: ...


class Pixels(Protocol):
    """An array of pixels, such as one of numpy."""

    @property
    def __array_interface__(self) -> dict[str, Any]: ...


class DrawnImage(Protocol):
    """A picture that a call drew."""

    @property
    def data(self) -> bytes: ...

    @property
    def media_type(self) -> str: ...


class Drawing(Protocol):
    """What a call returned, where it drew one picture."""

    @property
    def image(self) -> DrawnImage: ...


ImageInput: TypeAlias = (
    str
    | bytes
    | bytearray
    | memoryview
    | os.PathLike[str]
    | Readable
    | AsyncReadable
    | ReadableBytes
    | Response
    | PillowImage
    | Pixels
    | DrawnImage
    | Drawing
)
"""A path, the bytes of a picture, an open file, a response, a picture of Pillow, an array of pixels, a picture
that a call drew, or a text: `data:` URI, http(s) URL, base64, or a path."""


OPERATIONS: Final[Mapping[str, Operation]] = {
    "sd3_medium_img2img": Operation(
        operation_id="sd3_medium_img2img",
        slug="sd3-med-img2img",
        path="/v1/sd3-med-img2img",
        page="https://www.segmind.com/models/sd3-med-img2img/api",
        summary="Redraw a picture after a text with Stable Diffusion 3 medium.",
        doc="Transforms your picture after the prompt.",
        usd_per_picture=0.00758,
        parameters={
            "prompt": Parameter(
                name="prompt",
                kind="string",
                doc="What the picture shows. An empty or blank one is refused, unless `extra` sends it.",
                required=True,
            ),
            "negative_prompt": Parameter(
                name="negative_prompt",
                kind="string",
                doc="What the picture should not show. Default `low quality,less details`.",
                documented_default="low quality,less details",
            ),
            "image": Parameter(
                name="image",
                kind="image",
                doc=(
                    "The picture to start from, as base64 text: PNG, JPEG or GIF, at most 2048 x 2048 pixels. Given as a "
                    "path, bytes, an open file, a Pillow picture, an array of pixels, a picture that a call drew, or a "
                    "text: `data:` URI, http(s) URL, base64 or path. A whole PNG, JPEG, GIF or WebP is sent byte for "
                    "byte, its metadata included; one with a side above 2048 pixels too, with a warning. A Pillow picture "
                    "is turned as its EXIF data says and sent as a PNG without that data: of 16 bits the upper 8, other "
                    "colours as RGB, transparency as it is (the service is known to make it RGB); modes I and F, which do "
                    "not say what is white, are refused. An array is of uint8, uint16 (the upper 8 bits) or bool, height "
                    "x width, or height x width x 3 (RGB, not OpenCV's BGR) or 4."
                ),
                required=True,
            ),
            "num_inference_steps": Parameter(
                name="num_inference_steps",
                kind="integer",
                doc="How many inference steps are taken. 1 to 100. Default 20.",
                minimum=1,
                maximum=100,
                documented_default=20,
            ),
            "guidance_scale": Parameter(
                name="guidance_scale",
                kind="number",
                doc="Balance between following the prompt and drawing a unique picture. 1 to 20. Default 5.",
                minimum=1,
                maximum=20,
                documented_default=5,
            ),
            "seed": Parameter(
                name="seed",
                kind="integer",
                doc=(
                    "Where the randomness starts; the same seed and parameters draw the same picture. The page says "
                    "698845; a number from 0 to 2147483647, drawn anew for each call, is sent."
                ),
                documented_default=698845,
                sdk_default=Random(low=0, high=2147483647),
            ),
            "samples": Parameter(
                name="samples",
                kind="integer",
                doc=(
                    "How many pictures one call draws. The page sets no limit. 1 to 10 here; `extra` sends more. Default "
                    "1."
                ),
                sdk_maximum=10,
                documented_default=1,
                counts_images=True,
            ),
            "strength": Parameter(
                name="strength",
                kind="number",
                doc=(
                    "The page gives it two meanings: how strongly `image` is transformed, and how much the picture "
                    "follows it. 0 to 1. Default 0.7. Which of the two holds is not known; it is sent as it is given."
                ),
                minimum=0,
                maximum=1,
                documented_default=0.7,
            ),
            "sampler": Parameter(
                name="sampler",
                kind="string",
                doc=(
                    "The sampling method. Default `dpmpp_2m`. Known values: `dpmpp_2m`, `euler`, `euler_pp`, "
                    "`euler_ancestral`, `euler_ancestral_pp`, `heun`, `heunpp2`, `dpm_2`, `dpm_2_ancestral`, `lms`, "
                    "`dpm_fast`, `dpm_adaptive`, `dpmpp_2s_ancestral`, `dpmpp_sde`, `dpmpp_sde_gpu`, `dpmpp_2m_sde`, "
                    "`dpmpp_2m_sde_gpu`, `dpmpp_3m_sde`, `dpmpp_3m_sde_gpu`, `ddpm`, `lcm`, `ipndm`, `ipndm_v`, `deis`, "
                    "`ddim`, `uni_pc`, `uni_pc_bh2`; any other is sent as it is."
                ),
                documented_default="dpmpp_2m",
                known_values=(
                    "dpmpp_2m",
                    "euler",
                    "euler_pp",
                    "euler_ancestral",
                    "euler_ancestral_pp",
                    "heun",
                    "heunpp2",
                    "dpm_2",
                    "dpm_2_ancestral",
                    "lms",
                    "dpm_fast",
                    "dpm_adaptive",
                    "dpmpp_2s_ancestral",
                    "dpmpp_sde",
                    "dpmpp_sde_gpu",
                    "dpmpp_2m_sde",
                    "dpmpp_2m_sde_gpu",
                    "dpmpp_3m_sde",
                    "dpmpp_3m_sde_gpu",
                    "ddpm",
                    "lcm",
                    "ipndm",
                    "ipndm_v",
                    "deis",
                    "ddim",
                    "uni_pc",
                    "uni_pc_bh2",
                ),
            ),
            "scheduler": Parameter(
                name="scheduler",
                kind="string",
                doc=(
                    "The scheduling algorithm. Default `sgm_uniform`. Known values: `sgm_uniform`, `normal`, `karras`, "
                    "`exponential`, `simple`, `ddim_uniform`, `beta`; any other is sent as it is."
                ),
                documented_default="sgm_uniform",
                known_values=("sgm_uniform", "normal", "karras", "exponential", "simple", "ddim_uniform", "beta"),
            ),
            "base64": Parameter(
                name="base64",
                kind="boolean",
                doc=(
                    "Whether the reply is the picture as base64 text, not the picture itself. The page prints 1, which "
                    "may stand for no default; the SDK sets it."
                ),
                documented_default=1,
                hidden=True,
            ),
        },
    ),
    "sd3_medium_tile": Operation(
        operation_id="sd3_medium_tile",
        slug="sd3-med-tile",
        path="/v1/sd3-med-tile",
        page="https://www.segmind.com/models/sd3-med-tile/api",
        summary="Draw a detailed picture over the tiles of another with Stable Diffusion 3 medium.",
        doc="A ControlNet that your picture guides by tiles; for large, coherent, detailed pictures.",
        usd_per_picture=0.00769,
        parameters={
            "prompt": Parameter(
                name="prompt",
                kind="string",
                doc="What the picture shows. An empty or blank one is refused, unless `extra` sends it.",
                required=True,
            ),
            "negative_prompt": Parameter(
                name="negative_prompt",
                kind="string",
                doc="What the picture should not show. Default `low quality,less details`.",
                documented_default="low quality,less details",
            ),
            "image": Parameter(
                name="image",
                kind="image",
                doc=(
                    "The picture that guides the drawing, as base64 text. Given as a path, bytes, an open file, a Pillow "
                    "picture, an array of pixels, a picture that a call drew, or a text: `data:` URI, http(s) URL, base64 "
                    "or path. A whole PNG, JPEG, GIF or WebP is sent byte for byte, its metadata included; one with a "
                    "side above 2048 pixels too, with a warning. A Pillow picture is turned as its EXIF data says and "
                    "sent as a PNG without that data: of 16 bits the upper 8, other colours as RGB, transparency as it is "
                    "(the service is known to make it RGB); modes I and F, which do not say what is white, are refused. "
                    "An array is of uint8, uint16 (the upper 8 bits) or bool, height x width, or height x width x 3 (RGB, "
                    "not OpenCV's BGR) or 4."
                ),
                required=True,
            ),
            "num_inference_steps": Parameter(
                name="num_inference_steps",
                kind="integer",
                doc="How many inference steps are taken; more give finer detail and take longer. 1 to 100. Default 20.",
                minimum=1,
                maximum=100,
                documented_default=20,
            ),
            "guidance_scale": Parameter(
                name="guidance_scale",
                kind="number",
                doc="How closely the picture follows the prompt. 1 to 20. Default 7.",
                minimum=1,
                maximum=20,
                documented_default=7,
            ),
            "seed": Parameter(
                name="seed",
                kind="integer",
                doc=(
                    "Where the randomness starts; the same seed and parameters draw the same picture. The page says "
                    "698845; a number from 0 to 2147483647, drawn anew for each call, is sent."
                ),
                documented_default=698845,
                sdk_default=Random(low=0, high=2147483647),
            ),
            "samples": Parameter(
                name="samples",
                kind="integer",
                doc=(
                    "How many pictures one call draws. The page sets no limit. 1 to 10 here; `extra` sends more. Default "
                    "1."
                ),
                sdk_maximum=10,
                documented_default=1,
                counts_images=True,
            ),
            "strength": Parameter(
                name="strength",
                kind="number",
                doc=(
                    "The page gives it two meanings: how strongly `image` is transformed, and how strongly it guides the "
                    "picture (higher is closer to it, 0.6 to 0.9 for small adjustments). 0 to 1. Default 0.8. Which of "
                    "the two holds is not known; it is sent as it is given."
                ),
                minimum=0,
                maximum=1,
                documented_default=0.8,
            ),
            "sampler": Parameter(
                name="sampler",
                kind="string",
                doc=(
                    "The sampling method. Default `dpmpp_2m`. Known values: `dpmpp_2m`, `ddim`, `euler`, `euler_pp`, "
                    "`euler_ancestral`, `euler_ancestral_pp`, `heun`, `heunpp2`, `dpm_2`, `dpm_2_ancestral`, `lms`, "
                    "`dpm_fast`, `dpm_adaptive`, `dpmpp_2s_ancestral`, `dpmpp_sde`, `dpmpp_sde_gpu`, `dpmpp_2m_sde`, "
                    "`dpmpp_2m_sde_gpu`, `dpmpp_3m_sde`, `dpmpp_3m_sde_gpu`, `ddpm`, `lcm`, `ipndm`, `ipndm_v`, `deis`, "
                    "`uni_pc`, `uni_pc_bh2`; any other is sent as it is."
                ),
                documented_default="dpmpp_2m",
                known_values=(
                    "dpmpp_2m",
                    "ddim",
                    "euler",
                    "euler_pp",
                    "euler_ancestral",
                    "euler_ancestral_pp",
                    "heun",
                    "heunpp2",
                    "dpm_2",
                    "dpm_2_ancestral",
                    "lms",
                    "dpm_fast",
                    "dpm_adaptive",
                    "dpmpp_2s_ancestral",
                    "dpmpp_sde",
                    "dpmpp_sde_gpu",
                    "dpmpp_2m_sde",
                    "dpmpp_2m_sde_gpu",
                    "dpmpp_3m_sde",
                    "dpmpp_3m_sde_gpu",
                    "ddpm",
                    "lcm",
                    "ipndm",
                    "ipndm_v",
                    "deis",
                    "uni_pc",
                    "uni_pc_bh2",
                ),
            ),
            "scheduler": Parameter(
                name="scheduler",
                kind="string",
                doc=(
                    "The scheduler. Default `sgm_uniform`. Known values: `sgm_uniform`, `normal`, `karras`, "
                    "`exponential`, `simple`, `ddim_uniform`, `beta`; any other is sent as it is."
                ),
                documented_default="sgm_uniform",
                known_values=("sgm_uniform", "normal", "karras", "exponential", "simple", "ddim_uniform", "beta"),
            ),
            "base64": Parameter(
                name="base64",
                kind="boolean",
                doc=(
                    "Whether the reply is the picture as base64 text, not the picture itself. The page prints 1, which "
                    "may stand for no default; the SDK sets it."
                ),
                documented_default=1,
                hidden=True,
            ),
        },
    ),
    "sd3_large_img2img": Operation(
        operation_id="sd3_large_img2img",
        slug="stable-diffusion-3-large-img2img",
        path="/v1/stable-diffusion-3-large-img2img",
        page="https://www.segmind.com/models/stable-diffusion-3-large-img2img/api",
        summary="Redraw a picture after a text with Stable Diffusion 3 large.",
        doc="A model with 8 billion parameters. It takes no seed and no size.",
        usd_per_picture=0.065,
        parameters={
            "mode": Parameter(
                name="mode",
                kind="string",
                doc=(
                    "The type of mode. The page names no default; `image-to-image` is sent. Known values: "
                    "`image-to-image`; any other is sent as it is."
                ),
                sdk_default="image-to-image",
                known_values=("image-to-image",),
            ),
            "image": Parameter(
                name="image",
                kind="image",
                doc=(
                    "The picture to start from, as base64 text. Given as a path, bytes, an open file, a Pillow picture, "
                    "an array of pixels, a picture that a call drew, or a text: `data:` URI, http(s) URL, base64 or path. "
                    "A whole PNG, JPEG, GIF or WebP is sent byte for byte, its metadata included; one with a side above "
                    "2048 pixels too, with a warning. A Pillow picture is turned as its EXIF data says and sent as a PNG "
                    "without that data: of 16 bits the upper 8, other colours as RGB, transparency as it is (the service "
                    "is known to make it RGB); modes I and F, which do not say what is white, are refused. An array is of "
                    "uint8, uint16 (the upper 8 bits) or bool, height x width, or height x width x 3 (RGB, not OpenCV's "
                    "BGR) or 4."
                ),
                required=True,
            ),
            "prompt": Parameter(
                name="prompt",
                kind="string",
                doc=(
                    "What the picture shows. The page prints 1, which may stand for no default; here it is required. An "
                    "empty or blank one is refused, unless `extra` sends it."
                ),
                required=True,
                documented_default=1,
            ),
            "strength": Parameter(
                name="strength",
                kind="number",
                doc="How much `image` is transformed. The page sets no limits. Default 1.",
                documented_default=1,
            ),
            "output_format": Parameter(
                name="output_format",
                kind="string",
                doc="File format of the picture. Default `jpeg`. Known values: `jpeg`, `png`; any other is sent as it is.",
                documented_default="jpeg",
                known_values=("jpeg", "png"),
            ),
            "base64": Parameter(
                name="base64",
                kind="boolean",
                doc=(
                    "Whether the reply is the picture as base64 text, not the picture itself. The page prints 1, which "
                    "may stand for no default; the SDK sets it."
                ),
                documented_default=1,
                hidden=True,
            ),
            "negative_prompt": Parameter(
                name="negative_prompt",
                kind="string",
                doc=(
                    "What the picture should not show. The page prints 1, which may stand for no default; an empty text "
                    "is sent."
                ),
                documented_default=1,
                sdk_default="",
            ),
        },
    ),
    "sd3_medium_txt2img": Operation(
        operation_id="sd3_medium_txt2img",
        slug="stable-diffusion-3-medium-txt2img",
        path="/v1/stable-diffusion-3-medium-txt2img",
        page="https://www.segmind.com/models/stable-diffusion-3-medium-txt2img/api",
        summary="Draw pictures from a text with Stable Diffusion 3 medium.",
        doc="Renders writing inside the picture well. Seven of its parameters affect the price.",
        usd_per_picture=0.041,
        parameters={
            "prompt": Parameter(
                name="prompt",
                kind="string",
                doc="What the picture shows. An empty or blank one is refused, unless `extra` sends it.",
                required=True,
            ),
            "negative_prompt": Parameter(
                name="negative_prompt",
                kind="string",
                doc="What the picture should not show. The page says `None`. Nothing is sent unless it is given.",
                documented_default="None",
            ),
            "samples": Parameter(
                name="samples",
                kind="integer",
                doc="How many pictures one call draws. 1 to 4. Default 1. Affects the price.",
                minimum=1,
                maximum=4,
                sdk_maximum=10,
                documented_default=1,
                affects_pricing=True,
                counts_images=True,
            ),
            "scheduler": Parameter(
                name="scheduler",
                kind="string",
                doc=(
                    "The type of scheduler. Default `DPM++ 2M`. Known values: `DPM++ 2M`, `DPM++ 2M Karras`, `DPM++ SDE "
                    "Karras`, `LMS Karras`, `DPM2 a Karras`; any other is sent as it is."
                ),
                documented_default="DPM++ 2M",
                known_values=("DPM++ 2M", "DPM++ 2M Karras", "DPM++ SDE Karras", "LMS Karras", "DPM2 a Karras"),
            ),
            "num_inference_steps": Parameter(
                name="num_inference_steps",
                kind="integer",
                doc="How many denoising steps are taken. 10 to 100. Default 25. Affects the price.",
                minimum=10,
                maximum=100,
                documented_default=25,
                affects_pricing=True,
            ),
            "guidance_scale": Parameter(
                name="guidance_scale",
                kind="number",
                doc="Scale for classifier-free guidance. 1 to 25. Default 5.",
                minimum=1,
                maximum=25,
                documented_default=5,
            ),
            "denoise": Parameter(
                name="denoise",
                kind="number",
                doc="How much the reference picture is transformed; this endpoint takes none. 0.1 to 1. Default 1.",
                minimum=0.1,
                maximum=1,
                documented_default=1,
            ),
            "seed": Parameter(
                name="seed",
                kind="integer",
                doc=(
                    "Where the randomness starts; the same seed and parameters draw the same picture. -1 to "
                    "999999999999999. The page says -1; a number from 0 to 2147483647, drawn anew for each call, is sent."
                ),
                minimum=-1,
                maximum=999999999999999,
                documented_default=-1,
                sdk_default=Random(low=0, high=2147483647),
            ),
            "img_width": Parameter(
                name="img_width",
                kind="integer",
                doc="Width of the picture, in pixels. 512 to 2048, multiples of 8. Default 1024. Affects the price.",
                minimum=512,
                maximum=2048,
                multiple_of=8,
                documented_default=1024,
                affects_pricing=True,
            ),
            "img_height": Parameter(
                name="img_height",
                kind="integer",
                doc="Height of the picture, in pixels. 512 to 2048, multiples of 8. Default 1024. Affects the price.",
                minimum=512,
                maximum=2048,
                multiple_of=8,
                documented_default=1024,
                affects_pricing=True,
            ),
            "modelsamplingsd3_shift": Parameter(
                name="modelsamplingsd3_shift",
                kind="integer",
                doc="Shift of SD3's model sampling. 1 to 10. Default 3. Affects the price.",
                minimum=1,
                maximum=10,
                documented_default=3,
                affects_pricing=True,
            ),
            "conditioningsettimesteprange_start": Parameter(
                name="conditioningsettimesteprange_start",
                kind="number",
                doc=(
                    "Start of the conditioning's timestep range. 0.1 to 1. Default 0.1. A value above "
                    "`conditioningsettimesteprange_stop` is refused, unless `extra` sends it. Affects the price."
                ),
                minimum=0.1,
                maximum=1,
                documented_default=0.1,
                affects_pricing=True,
            ),
            "conditioningsettimesteprange_stop": Parameter(
                name="conditioningsettimesteprange_stop",
                kind="number",
                doc="Stop of the conditioning's timestep range. 0.1 to 1. Default 1. Affects the price.",
                minimum=0.1,
                maximum=1,
                documented_default=1,
                affects_pricing=True,
            ),
            "base64": Parameter(
                name="base64",
                kind="boolean",
                doc=(
                    "Whether the reply is the picture as base64 text, not the picture itself. The page prints 1, which "
                    "may stand for no default; the SDK sets it."
                ),
                documented_default=1,
                hidden=True,
            ),
        },
    ),
    "sd35_turbo_txt2img": Operation(
        operation_id="sd35_turbo_txt2img",
        slug="stable-diffusion-3.5-turbo-txt2img",
        path="/v1/stable-diffusion-3.5-turbo-txt2img",
        page="https://www.segmind.com/models/stable-diffusion-3.5-turbo-txt2img/api",
        summary="Draw pictures from a text with Stable Diffusion 3.5 turbo.",
        doc="A light model. `width` and `height` count only with a custom `aspect_ratio`.",
        usd_per_picture=0.0035,
        parameters={
            "prompt": Parameter(
                name="prompt",
                kind="string",
                doc="What the picture shows. An empty or blank one is refused, unless `extra` sends it.",
                required=True,
            ),
            "negative_prompt": Parameter(
                name="negative_prompt",
                kind="string",
                doc="What the picture should not show. Default `low quality, blurry`.",
                documented_default="low quality, blurry",
            ),
            "steps": Parameter(
                name="steps",
                kind="integer",
                doc="How many inference steps are taken. 10 to 70. The page says 4, below its own minimum; 10 is sent.",
                minimum=10,
                maximum=70,
                documented_default=4,
                sdk_default=10,
            ),
            "guidance_scale": Parameter(
                name="guidance_scale",
                kind="number",
                doc="How closely the picture follows the prompt. 1 to 15. Default 1.",
                minimum=1,
                maximum=15,
                documented_default=1,
            ),
            "seed": Parameter(
                name="seed",
                kind="integer",
                doc=(
                    "Where the randomness starts; the same seed and parameters draw the same picture. The page says "
                    "98552302; a number from 0 to 2147483647, drawn anew for each call, is sent."
                ),
                documented_default=98552302,
                sdk_default=Random(low=0, high=2147483647),
            ),
            "sampler": Parameter(
                name="sampler",
                kind="string",
                doc=(
                    "The sampling method. The page names no default; `dpmpp_2m` is sent. Known values: `dpmpp_2m`; any "
                    "other is sent as it is."
                ),
                sdk_default="dpmpp_2m",
                known_values=("dpmpp_2m",),
            ),
            "scheduler": Parameter(
                name="scheduler",
                kind="string",
                doc=(
                    "The scheduler. The page names no default; `sgm_uniform` is sent. Known values: `sgm_uniform`, "
                    "`normal`, `karras`, `exponential`, `simple`, `ddim_uniform`, `beta`; any other is sent as it is."
                ),
                sdk_default="sgm_uniform",
                known_values=("sgm_uniform", "normal", "karras", "exponential", "simple", "ddim_uniform", "beta"),
            ),
            "width": Parameter(
                name="width",
                kind="integer",
                doc='Width of the picture, in pixels. Counts only with `aspect_ratio="custom"`. 64 to 2048. Default 1024.',
                minimum=64,
                maximum=2048,
                documented_default=1024,
            ),
            "height": Parameter(
                name="height",
                kind="integer",
                doc=(
                    'Height of the picture, in pixels. Counts only with `aspect_ratio="custom"`. 64 to 2048. Default '
                    "1024."
                ),
                minimum=64,
                maximum=2048,
                documented_default=1024,
            ),
            "aspect_ratio": Parameter(
                name="aspect_ratio",
                kind="string",
                doc=(
                    "Shape of the picture, width to height; `custom` leaves it to `width` and `height`. Default `custom`. "
                    "Known values: `custom`, `2:3`, `1:1`, `16:9`, `9:16`, `4:3`, `3:4`, `21:9`; any other is sent as it "
                    "is."
                ),
                documented_default="custom",
                known_values=("custom", "2:3", "1:1", "16:9", "9:16", "4:3", "3:4", "21:9"),
            ),
            "batch_size": Parameter(
                name="batch_size",
                kind="integer",
                doc="How many pictures one call draws. 1 to 10. Default 1.",
                minimum=1,
                maximum=10,
                sdk_maximum=10,
                documented_default=1,
                counts_images=True,
            ),
            "image_format": Parameter(
                name="image_format",
                kind="string",
                doc=(
                    "File format of the picture. Default `jpeg`. Known values: `jpeg`, `png`, `webp`; any other is sent "
                    "as it is."
                ),
                documented_default="jpeg",
                known_values=("jpeg", "png", "webp"),
            ),
            "image_quality": Parameter(
                name="image_quality",
                kind="integer",
                doc="Quality of the picture. 10 to 100. Default 95.",
                minimum=10,
                maximum=100,
                documented_default=95,
            ),
            "base64": Parameter(
                name="base64",
                kind="boolean",
                doc=(
                    "Whether the reply is the picture as base64 text, not the picture itself. The page prints 1, which "
                    "may stand for no default; the SDK sets it."
                ),
                documented_default=1,
                hidden=True,
            ),
        },
    ),
}
"""Every endpoint, by its operationId."""

PICTURE_MEMBERS: Final[tuple[str, ...]] = ("image", "images")
"""The members of a JSON reply that may hold its pictures, each a base64 text or a list of them."""


class Sd3MediumImg2ImgParams(TypedDict, total=False):
    """What `sd3_medium_img2img` takes. Redraw a picture after a text with Stable Diffusion 3 medium.

    Args:
        prompt: What the picture shows.
        negative_prompt: What the picture should not show.
        image: The picture to start from, as base64 text: PNG, JPEG or GIF, at most 2048 x 2048
            pixels.
        num_inference_steps: How many inference steps are taken. 1 to 100.
        guidance_scale: Balance between following the prompt and drawing a unique picture. 1 to
            20.
        seed: Where the randomness starts; the same seed and parameters draw the same picture.
        samples: How many pictures one call draws. The page sets no limit.
        strength: The page gives it two meanings: how strongly `image` is transformed, and how
            much the picture follows it. 0 to 1.
        sampler: The sampling method.
        scheduler: The scheduling algorithm.
        extra: More values for the body, not checked; they replace parameters of the same name.
    """

    prompt: Required[str]
    """What the picture shows. An empty or blank one is refused, unless `extra` sends it."""
    negative_prompt: str | None
    """What the picture should not show. Default `low quality,less details`."""
    image: Required[ImageInput]
    """The picture to start from, as base64 text: PNG, JPEG or GIF, at most 2048 x 2048 pixels. Given
    as a path, bytes, an open file, a Pillow picture, an array of pixels, a picture that a call
    drew, or a text: `data:` URI, http(s) URL, base64 or path. A whole PNG, JPEG, GIF or WebP is
    sent byte for byte, its metadata included; one with a side above 2048 pixels too, with a
    warning. A Pillow picture is turned as its EXIF data says and sent as a PNG without that data:
    of 16 bits the upper 8, other colours as RGB, transparency as it is (the service is known to
    make it RGB); modes I and F, which do not say what is white, are refused. An array is of uint8,
    uint16 (the upper 8 bits) or bool, height x width, or height x width x 3 (RGB, not OpenCV's BGR)
    or 4."""
    num_inference_steps: int | None
    """How many inference steps are taken. 1 to 100. Default 20."""
    guidance_scale: float | None
    """Balance between following the prompt and drawing a unique picture. 1 to 20. Default 5."""
    seed: int | None
    """Where the randomness starts; the same seed and parameters draw the same picture. The page says
    698845; a number from 0 to 2147483647, drawn anew for each call, is sent."""
    samples: int | None
    """How many pictures one call draws. The page sets no limit. 1 to 10 here; `extra` sends more.
    Default 1."""
    strength: float | None
    """The page gives it two meanings: how strongly `image` is transformed, and how much the picture
    follows it. 0 to 1. Default 0.7. Which of the two holds is not known; it is sent as it is given."""
    sampler: (
        Literal[
            "dpmpp_2m",
            "euler",
            "euler_pp",
            "euler_ancestral",
            "euler_ancestral_pp",
            "heun",
            "heunpp2",
            "dpm_2",
            "dpm_2_ancestral",
            "lms",
            "dpm_fast",
            "dpm_adaptive",
            "dpmpp_2s_ancestral",
            "dpmpp_sde",
            "dpmpp_sde_gpu",
            "dpmpp_2m_sde",
            "dpmpp_2m_sde_gpu",
            "dpmpp_3m_sde",
            "dpmpp_3m_sde_gpu",
            "ddpm",
            "lcm",
            "ipndm",
            "ipndm_v",
            "deis",
            "ddim",
            "uni_pc",
            "uni_pc_bh2",
        ]
        | str
        | None
    )
    """The sampling method. Default `dpmpp_2m`. Known values: `dpmpp_2m`, `euler`, `euler_pp`,
    `euler_ancestral`, `euler_ancestral_pp`, `heun`, `heunpp2`, `dpm_2`, `dpm_2_ancestral`, `lms`,
    `dpm_fast`, `dpm_adaptive`, `dpmpp_2s_ancestral`, `dpmpp_sde`, `dpmpp_sde_gpu`, `dpmpp_2m_sde`,
    `dpmpp_2m_sde_gpu`, `dpmpp_3m_sde`, `dpmpp_3m_sde_gpu`, `ddpm`, `lcm`, `ipndm`, `ipndm_v`,
    `deis`, `ddim`, `uni_pc`, `uni_pc_bh2`; any other is sent as it is."""
    scheduler: Literal["sgm_uniform", "normal", "karras", "exponential", "simple", "ddim_uniform", "beta"] | str | None
    """The scheduling algorithm. Default `sgm_uniform`. Known values: `sgm_uniform`, `normal`,
    `karras`, `exponential`, `simple`, `ddim_uniform`, `beta`; any other is sent as it is."""
    extra: Mapping[str, Any] | None
    """More values for the body, not checked; they replace parameters of the same name."""


class Sd3MediumTileParams(TypedDict, total=False):
    """What `sd3_medium_tile` takes. Draw a detailed picture over the tiles of another with Stable
    Diffusion 3 medium.

    Args:
        prompt: What the picture shows.
        negative_prompt: What the picture should not show.
        image: The picture that guides the drawing, as base64 text.
        num_inference_steps: How many inference steps are taken; more give finer detail and take
            longer. 1 to 100.
        guidance_scale: How closely the picture follows the prompt. 1 to 20.
        seed: Where the randomness starts; the same seed and parameters draw the same picture.
        samples: How many pictures one call draws. The page sets no limit.
        strength: The page gives it two meanings: how strongly `image` is transformed, and how
            strongly it guides the picture (higher is closer to it, 0.6 to 0.9 for small
            adjustments). 0 to 1.
        sampler: The sampling method.
        scheduler: The scheduler.
        extra: More values for the body, not checked; they replace parameters of the same name.
    """

    prompt: Required[str]
    """What the picture shows. An empty or blank one is refused, unless `extra` sends it."""
    negative_prompt: str | None
    """What the picture should not show. Default `low quality,less details`."""
    image: Required[ImageInput]
    """The picture that guides the drawing, as base64 text. Given as a path, bytes, an open file, a
    Pillow picture, an array of pixels, a picture that a call drew, or a text: `data:` URI, http(s)
    URL, base64 or path. A whole PNG, JPEG, GIF or WebP is sent byte for byte, its metadata
    included; one with a side above 2048 pixels too, with a warning. A Pillow picture is turned as
    its EXIF data says and sent as a PNG without that data: of 16 bits the upper 8, other colours as
    RGB, transparency as it is (the service is known to make it RGB); modes I and F, which do not
    say what is white, are refused. An array is of uint8, uint16 (the upper 8 bits) or bool, height
    x width, or height x width x 3 (RGB, not OpenCV's BGR) or 4."""
    num_inference_steps: int | None
    """How many inference steps are taken; more give finer detail and take longer. 1 to 100. Default
    20."""
    guidance_scale: float | None
    """How closely the picture follows the prompt. 1 to 20. Default 7."""
    seed: int | None
    """Where the randomness starts; the same seed and parameters draw the same picture. The page says
    698845; a number from 0 to 2147483647, drawn anew for each call, is sent."""
    samples: int | None
    """How many pictures one call draws. The page sets no limit. 1 to 10 here; `extra` sends more.
    Default 1."""
    strength: float | None
    """The page gives it two meanings: how strongly `image` is transformed, and how strongly it guides
    the picture (higher is closer to it, 0.6 to 0.9 for small adjustments). 0 to 1. Default 0.8.
    Which of the two holds is not known; it is sent as it is given."""
    sampler: (
        Literal[
            "dpmpp_2m",
            "ddim",
            "euler",
            "euler_pp",
            "euler_ancestral",
            "euler_ancestral_pp",
            "heun",
            "heunpp2",
            "dpm_2",
            "dpm_2_ancestral",
            "lms",
            "dpm_fast",
            "dpm_adaptive",
            "dpmpp_2s_ancestral",
            "dpmpp_sde",
            "dpmpp_sde_gpu",
            "dpmpp_2m_sde",
            "dpmpp_2m_sde_gpu",
            "dpmpp_3m_sde",
            "dpmpp_3m_sde_gpu",
            "ddpm",
            "lcm",
            "ipndm",
            "ipndm_v",
            "deis",
            "uni_pc",
            "uni_pc_bh2",
        ]
        | str
        | None
    )
    """The sampling method. Default `dpmpp_2m`. Known values: `dpmpp_2m`, `ddim`, `euler`, `euler_pp`,
    `euler_ancestral`, `euler_ancestral_pp`, `heun`, `heunpp2`, `dpm_2`, `dpm_2_ancestral`, `lms`,
    `dpm_fast`, `dpm_adaptive`, `dpmpp_2s_ancestral`, `dpmpp_sde`, `dpmpp_sde_gpu`, `dpmpp_2m_sde`,
    `dpmpp_2m_sde_gpu`, `dpmpp_3m_sde`, `dpmpp_3m_sde_gpu`, `ddpm`, `lcm`, `ipndm`, `ipndm_v`,
    `deis`, `uni_pc`, `uni_pc_bh2`; any other is sent as it is."""
    scheduler: Literal["sgm_uniform", "normal", "karras", "exponential", "simple", "ddim_uniform", "beta"] | str | None
    """The scheduler. Default `sgm_uniform`. Known values: `sgm_uniform`, `normal`, `karras`,
    `exponential`, `simple`, `ddim_uniform`, `beta`; any other is sent as it is."""
    extra: Mapping[str, Any] | None
    """More values for the body, not checked; they replace parameters of the same name."""


class Sd3LargeImg2ImgParams(TypedDict, total=False):
    """What `sd3_large_img2img` takes. Redraw a picture after a text with Stable Diffusion 3 large.

    Args:
        mode: The type of mode.
        image: The picture to start from, as base64 text.
        prompt: What the picture shows.
        strength: How much `image` is transformed. The page sets no limits.
        output_format: File format of the picture.
        negative_prompt: What the picture should not show.
        extra: More values for the body, not checked; they replace parameters of the same name.
    """

    mode: Literal["image-to-image"] | str | None
    """The type of mode. The page names no default; `image-to-image` is sent. Known values:
    `image-to-image`; any other is sent as it is."""
    image: Required[ImageInput]
    """The picture to start from, as base64 text. Given as a path, bytes, an open file, a Pillow
    picture, an array of pixels, a picture that a call drew, or a text: `data:` URI, http(s) URL,
    base64 or path. A whole PNG, JPEG, GIF or WebP is sent byte for byte, its metadata included; one
    with a side above 2048 pixels too, with a warning. A Pillow picture is turned as its EXIF data
    says and sent as a PNG without that data: of 16 bits the upper 8, other colours as RGB,
    transparency as it is (the service is known to make it RGB); modes I and F, which do not say
    what is white, are refused. An array is of uint8, uint16 (the upper 8 bits) or bool, height x
    width, or height x width x 3 (RGB, not OpenCV's BGR) or 4."""
    prompt: Required[str]
    """What the picture shows. The page prints 1, which may stand for no default; here it is required.
    An empty or blank one is refused, unless `extra` sends it."""
    strength: float | None
    """How much `image` is transformed. The page sets no limits. Default 1."""
    output_format: Literal["jpeg", "png"] | str | None
    """File format of the picture. Default `jpeg`. Known values: `jpeg`, `png`; any other is sent as it
    is."""
    negative_prompt: str | None
    """What the picture should not show. The page prints 1, which may stand for no default; an empty
    text is sent."""
    extra: Mapping[str, Any] | None
    """More values for the body, not checked; they replace parameters of the same name."""


class Sd3MediumTxt2ImgParams(TypedDict, total=False):
    """What `sd3_medium_txt2img` takes. Draw pictures from a text with Stable Diffusion 3 medium.

    Args:
        prompt: What the picture shows.
        negative_prompt: What the picture should not show.
        samples: How many pictures one call draws. 1 to 4.
        scheduler: The type of scheduler.
        num_inference_steps: How many denoising steps are taken. 10 to 100.
        guidance_scale: Scale for classifier-free guidance. 1 to 25.
        denoise: How much the reference picture is transformed; this endpoint takes none. 0.1 to
            1.
        seed: Where the randomness starts; the same seed and parameters draw the same picture.
            -1 to 999999999999999.
        img_width: Width of the picture, in pixels. 512 to 2048, multiples of 8.
        img_height: Height of the picture, in pixels. 512 to 2048, multiples of 8.
        modelsamplingsd3_shift: Shift of SD3's model sampling. 1 to 10.
        conditioningsettimesteprange_start: Start of the conditioning's timestep range. 0.1 to
            1.
        conditioningsettimesteprange_stop: Stop of the conditioning's timestep range. 0.1 to 1.
        extra: More values for the body, not checked; they replace parameters of the same name.
    """

    prompt: Required[str]
    """What the picture shows. An empty or blank one is refused, unless `extra` sends it."""
    negative_prompt: str | None
    """What the picture should not show. The page says `None`. Nothing is sent unless it is given."""
    samples: int | None
    """How many pictures one call draws. 1 to 4. Default 1. Affects the price."""
    scheduler: Literal["DPM++ 2M", "DPM++ 2M Karras", "DPM++ SDE Karras", "LMS Karras", "DPM2 a Karras"] | str | None
    """The type of scheduler. Default `DPM++ 2M`. Known values: `DPM++ 2M`, `DPM++ 2M Karras`, `DPM++
    SDE Karras`, `LMS Karras`, `DPM2 a Karras`; any other is sent as it is."""
    num_inference_steps: int | None
    """How many denoising steps are taken. 10 to 100. Default 25. Affects the price."""
    guidance_scale: float | None
    """Scale for classifier-free guidance. 1 to 25. Default 5."""
    denoise: float | None
    """How much the reference picture is transformed; this endpoint takes none. 0.1 to 1. Default 1."""
    seed: int | None
    """Where the randomness starts; the same seed and parameters draw the same picture. -1 to
    999999999999999. The page says -1; a number from 0 to 2147483647, drawn anew for each call, is
    sent."""
    img_width: int | None
    """Width of the picture, in pixels. 512 to 2048, multiples of 8. Default 1024. Affects the price."""
    img_height: int | None
    """Height of the picture, in pixels. 512 to 2048, multiples of 8. Default 1024. Affects the price."""
    modelsamplingsd3_shift: int | None
    """Shift of SD3's model sampling. 1 to 10. Default 3. Affects the price."""
    conditioningsettimesteprange_start: float | None
    """Start of the conditioning's timestep range. 0.1 to 1. Default 0.1. A value above
    `conditioningsettimesteprange_stop` is refused, unless `extra` sends it. Affects the price."""
    conditioningsettimesteprange_stop: float | None
    """Stop of the conditioning's timestep range. 0.1 to 1. Default 1. Affects the price."""
    extra: Mapping[str, Any] | None
    """More values for the body, not checked; they replace parameters of the same name."""


class Sd35TurboTxt2ImgParams(TypedDict, total=False):
    """What `sd35_turbo_txt2img` takes. Draw pictures from a text with Stable Diffusion 3.5 turbo.

    Args:
        prompt: What the picture shows.
        negative_prompt: What the picture should not show.
        steps: How many inference steps are taken. 10 to 70.
        guidance_scale: How closely the picture follows the prompt. 1 to 15.
        seed: Where the randomness starts; the same seed and parameters draw the same picture.
        sampler: The sampling method.
        scheduler: The scheduler.
        width: Width of the picture, in pixels. Counts only with `aspect_ratio="custom"`. 64 to
            2048.
        height: Height of the picture, in pixels. Counts only with `aspect_ratio="custom"`. 64
            to 2048.
        aspect_ratio: Shape of the picture, width to height; `custom` leaves it to `width` and
            `height`.
        batch_size: How many pictures one call draws. 1 to 10.
        image_format: File format of the picture.
        image_quality: Quality of the picture. 10 to 100.
        extra: More values for the body, not checked; they replace parameters of the same name.
    """

    prompt: Required[str]
    """What the picture shows. An empty or blank one is refused, unless `extra` sends it."""
    negative_prompt: str | None
    """What the picture should not show. Default `low quality, blurry`."""
    steps: int | None
    """How many inference steps are taken. 10 to 70. The page says 4, below its own minimum; 10 is
    sent."""
    guidance_scale: float | None
    """How closely the picture follows the prompt. 1 to 15. Default 1."""
    seed: int | None
    """Where the randomness starts; the same seed and parameters draw the same picture. The page says
    98552302; a number from 0 to 2147483647, drawn anew for each call, is sent."""
    sampler: Literal["dpmpp_2m"] | str | None
    """The sampling method. The page names no default; `dpmpp_2m` is sent. Known values: `dpmpp_2m`;
    any other is sent as it is."""
    scheduler: Literal["sgm_uniform", "normal", "karras", "exponential", "simple", "ddim_uniform", "beta"] | str | None
    """The scheduler. The page names no default; `sgm_uniform` is sent. Known values: `sgm_uniform`,
    `normal`, `karras`, `exponential`, `simple`, `ddim_uniform`, `beta`; any other is sent as it is."""
    width: int | None
    """Width of the picture, in pixels. Counts only with `aspect_ratio="custom"`. 64 to 2048. Default
    1024."""
    height: int | None
    """Height of the picture, in pixels. Counts only with `aspect_ratio="custom"`. 64 to 2048. Default
    1024."""
    aspect_ratio: Literal["custom", "2:3", "1:1", "16:9", "9:16", "4:3", "3:4", "21:9"] | str | None
    """Shape of the picture, width to height; `custom` leaves it to `width` and `height`. Default
    `custom`. Known values: `custom`, `2:3`, `1:1`, `16:9`, `9:16`, `4:3`, `3:4`, `21:9`; any other
    is sent as it is."""
    batch_size: int | None
    """How many pictures one call draws. 1 to 10. Default 1."""
    image_format: Literal["jpeg", "png", "webp"] | str | None
    """File format of the picture. Default `jpeg`. Known values: `jpeg`, `png`, `webp`; any other is
    sent as it is."""
    image_quality: int | None
    """Quality of the picture. 10 to 100. Default 95."""
    extra: Mapping[str, Any] | None
    """More values for the body, not checked; they replace parameters of the same name."""
