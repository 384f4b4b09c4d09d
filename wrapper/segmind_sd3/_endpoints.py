"""The methods of both clients: one for each endpoint, with what its page says about every parameter.

Made by make generate out of openapi/*.yaml: edit those.
"""

from collections.abc import Mapping
from typing import Any, Literal

from segmind_sd3_api.parameters import ImageInput

from ._calling import endpoint
from ._result import Generation


class Endpoints:
    """The endpoints, for `Client`."""

    @endpoint
    def sd3_medium_img2img(
        self,
        *,
        prompt: str,
        negative_prompt: str | None = None,
        image: ImageInput,
        num_inference_steps: int | None = None,
        guidance_scale: float | None = None,
        seed: int | None = None,
        samples: int | None = None,
        strength: float | None = None,
        sampler: Literal[
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
        | None = None,
        scheduler: Literal["sgm_uniform", "normal", "karras", "exponential", "simple", "ddim_uniform", "beta"]
        | str
        | None = None,
        extra: Mapping[str, Any] | None = None,
    ) -> Generation:
        """Redraw a picture after a text with Stable Diffusion 3 medium.

        Transforms your picture after the prompt.

        Args:
            prompt: What the picture shows. An empty or blank one is refused, unless `extra`
                sends it.
            negative_prompt: What the picture should not show. Default `low quality,less
                details`.
            image: The picture to start from, as base64 text: PNG, JPEG or GIF, at most 2048 x
                2048 pixels. Given as a path, bytes, an open file, a Pillow picture, an array of
                pixels, a picture that a call drew, or a text: `data:` URI, http(s) URL, base64 or
                path. A whole PNG, JPEG, GIF or WebP is sent byte for byte, its metadata included;
                one with a side above 2048 pixels too, with a warning. A Pillow picture is turned as
                its EXIF data says and sent as a PNG without that data: of 16 bits the upper 8,
                other colours as RGB, transparency as it is (the service is known to make it RGB);
                modes I and F, which do not say what is white, are refused. An array is of uint8,
                uint16 (the upper 8 bits) or bool, height x width, or height x width x 3 (RGB, not
                OpenCV's BGR) or 4.
            num_inference_steps: How many inference steps are taken. 1 to 100. Default 20.
            guidance_scale: Balance between following the prompt and drawing a unique picture. 1
                to 20. Default 5.
            seed: Where the randomness starts; the same seed and parameters draw the same
                picture. The page says 698845; a number from 0 to 2147483647, drawn anew for each
                call, is sent.
            samples: How many pictures one call draws. The page sets no limit. 1 to 10 here;
                `extra` sends more. Default 1.
            strength: The page gives it two meanings: how strongly `image` is transformed, and
                how much the picture follows it. 0 to 1. Default 0.7. Which of the two holds is not
                known; it is sent as it is given.
            sampler: The sampling method. Default `dpmpp_2m`. Known values: `dpmpp_2m`, `euler`,
                `euler_pp`, `euler_ancestral`, `euler_ancestral_pp`, `heun`, `heunpp2`, `dpm_2`,
                `dpm_2_ancestral`, `lms`, `dpm_fast`, `dpm_adaptive`, `dpmpp_2s_ancestral`,
                `dpmpp_sde`, `dpmpp_sde_gpu`, `dpmpp_2m_sde`, `dpmpp_2m_sde_gpu`, `dpmpp_3m_sde`,
                `dpmpp_3m_sde_gpu`, `ddpm`, `lcm`, `ipndm`, `ipndm_v`, `deis`, `ddim`, `uni_pc`,
                `uni_pc_bh2`; any other is sent as it is.
            scheduler: The scheduling algorithm. Default `sgm_uniform`. Known values:
                `sgm_uniform`, `normal`, `karras`, `exponential`, `simple`, `ddim_uniform`, `beta`;
                any other is sent as it is.
            extra: More values for the body, by name. They are not checked, and replace parameters of the
                same name.

        Returns:
            The pictures, and what the reply said about them.

        Raises:
            InvalidRequest: A parameter is wrong, and nothing was sent. The message names every wrong one.
            SegmindError: The call failed. The error's `billed` says whether it was paid for.

        Source: https://www.segmind.com/models/sd3-med-img2img/api
        """
        raise NotImplementedError

    @endpoint
    def sd3_medium_tile(
        self,
        *,
        prompt: str,
        negative_prompt: str | None = None,
        image: ImageInput,
        num_inference_steps: int | None = None,
        guidance_scale: float | None = None,
        seed: int | None = None,
        samples: int | None = None,
        strength: float | None = None,
        sampler: Literal[
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
        | None = None,
        scheduler: Literal["sgm_uniform", "normal", "karras", "exponential", "simple", "ddim_uniform", "beta"]
        | str
        | None = None,
        extra: Mapping[str, Any] | None = None,
    ) -> Generation:
        """Draw a detailed picture over the tiles of another with Stable Diffusion 3 medium.

        A ControlNet that your picture guides by tiles; for large, coherent, detailed pictures.

        Args:
            prompt: What the picture shows. An empty or blank one is refused, unless `extra`
                sends it.
            negative_prompt: What the picture should not show. Default `low quality,less
                details`.
            image: The picture that guides the drawing, as base64 text. Given as a path, bytes,
                an open file, a Pillow picture, an array of pixels, a picture that a call drew, or a
                text: `data:` URI, http(s) URL, base64 or path. A whole PNG, JPEG, GIF or WebP is
                sent byte for byte, its metadata included; one with a side above 2048 pixels too,
                with a warning. A Pillow picture is turned as its EXIF data says and sent as a PNG
                without that data: of 16 bits the upper 8, other colours as RGB, transparency as it
                is (the service is known to make it RGB); modes I and F, which do not say what is
                white, are refused. An array is of uint8, uint16 (the upper 8 bits) or bool, height
                x width, or height x width x 3 (RGB, not OpenCV's BGR) or 4.
            num_inference_steps: How many inference steps are taken; more give finer detail and
                take longer. 1 to 100. Default 20.
            guidance_scale: How closely the picture follows the prompt. 1 to 20. Default 7.
            seed: Where the randomness starts; the same seed and parameters draw the same
                picture. The page says 698845; a number from 0 to 2147483647, drawn anew for each
                call, is sent.
            samples: How many pictures one call draws. The page sets no limit. 1 to 10 here;
                `extra` sends more. Default 1.
            strength: The page gives it two meanings: how strongly `image` is transformed, and
                how strongly it guides the picture (higher is closer to it, 0.6 to 0.9 for small
                adjustments). 0 to 1. Default 0.8. Which of the two holds is not known; it is sent
                as it is given.
            sampler: The sampling method. Default `dpmpp_2m`. Known values: `dpmpp_2m`, `ddim`,
                `euler`, `euler_pp`, `euler_ancestral`, `euler_ancestral_pp`, `heun`, `heunpp2`,
                `dpm_2`, `dpm_2_ancestral`, `lms`, `dpm_fast`, `dpm_adaptive`, `dpmpp_2s_ancestral`,
                `dpmpp_sde`, `dpmpp_sde_gpu`, `dpmpp_2m_sde`, `dpmpp_2m_sde_gpu`, `dpmpp_3m_sde`,
                `dpmpp_3m_sde_gpu`, `ddpm`, `lcm`, `ipndm`, `ipndm_v`, `deis`, `uni_pc`,
                `uni_pc_bh2`; any other is sent as it is.
            scheduler: The scheduler. Default `sgm_uniform`. Known values: `sgm_uniform`,
                `normal`, `karras`, `exponential`, `simple`, `ddim_uniform`, `beta`; any other is
                sent as it is.
            extra: More values for the body, by name. They are not checked, and replace parameters of the
                same name.

        Returns:
            The pictures, and what the reply said about them.

        Raises:
            InvalidRequest: A parameter is wrong, and nothing was sent. The message names every wrong one.
            SegmindError: The call failed. The error's `billed` says whether it was paid for.

        Source: https://www.segmind.com/models/sd3-med-tile/api
        """
        raise NotImplementedError

    @endpoint
    def sd3_large_img2img(
        self,
        *,
        mode: Literal["image-to-image"] | str | None = None,
        image: ImageInput,
        prompt: str,
        strength: float | None = None,
        output_format: Literal["jpeg", "png"] | str | None = None,
        negative_prompt: str | None = None,
        extra: Mapping[str, Any] | None = None,
    ) -> Generation:
        """Redraw a picture after a text with Stable Diffusion 3 large.

        A model with 8 billion parameters. It takes no seed and no size.

        Args:
            mode: The type of mode. The page names no default; `image-to-image` is sent. Known
                values: `image-to-image`; any other is sent as it is.
            image: The picture to start from, as base64 text. Given as a path, bytes, an open
                file, a Pillow picture, an array of pixels, a picture that a call drew, or a text:
                `data:` URI, http(s) URL, base64 or path. A whole PNG, JPEG, GIF or WebP is sent
                byte for byte, its metadata included; one with a side above 2048 pixels too, with a
                warning. A Pillow picture is turned as its EXIF data says and sent as a PNG without
                that data: of 16 bits the upper 8, other colours as RGB, transparency as it is (the
                service is known to make it RGB); modes I and F, which do not say what is white, are
                refused. An array is of uint8, uint16 (the upper 8 bits) or bool, height x width, or
                height x width x 3 (RGB, not OpenCV's BGR) or 4.
            prompt: What the picture shows. The page prints 1, which may stand for no default;
                here it is required. An empty or blank one is refused, unless `extra` sends it.
            strength: How much `image` is transformed. The page sets no limits. Default 1.
            output_format: File format of the picture. Default `jpeg`. Known values: `jpeg`,
                `png`; any other is sent as it is.
            negative_prompt: What the picture should not show. The page prints 1, which may
                stand for no default; an empty text is sent.
            extra: More values for the body, by name. They are not checked, and replace parameters of the
                same name.

        Returns:
            The pictures, and what the reply said about them.

        Raises:
            InvalidRequest: A parameter is wrong, and nothing was sent. The message names every wrong one.
            SegmindError: The call failed. The error's `billed` says whether it was paid for.

        Source: https://www.segmind.com/models/stable-diffusion-3-large-img2img/api
        """
        raise NotImplementedError

    @endpoint
    def sd3_medium_txt2img(
        self,
        *,
        prompt: str,
        negative_prompt: str | None = None,
        samples: int | None = None,
        scheduler: Literal["DPM++ 2M", "DPM++ 2M Karras", "DPM++ SDE Karras", "LMS Karras", "DPM2 a Karras"]
        | str
        | None = None,
        num_inference_steps: int | None = None,
        guidance_scale: float | None = None,
        denoise: float | None = None,
        seed: int | None = None,
        img_width: int | None = None,
        img_height: int | None = None,
        modelsamplingsd3_shift: int | None = None,
        conditioningsettimesteprange_start: float | None = None,
        conditioningsettimesteprange_stop: float | None = None,
        extra: Mapping[str, Any] | None = None,
    ) -> Generation:
        """Draw pictures from a text with Stable Diffusion 3 medium.

        Renders writing inside the picture well. Seven of its parameters affect the price.

        Args:
            prompt: What the picture shows. An empty or blank one is refused, unless `extra`
                sends it.
            negative_prompt: What the picture should not show. The page says `None`. Nothing is
                sent unless it is given.
            samples: How many pictures one call draws. 1 to 4. Default 1. Affects the price.
            scheduler: The type of scheduler. Default `DPM++ 2M`. Known values: `DPM++ 2M`,
                `DPM++ 2M Karras`, `DPM++ SDE Karras`, `LMS Karras`, `DPM2 a Karras`; any other is
                sent as it is.
            num_inference_steps: How many denoising steps are taken. 10 to 100. Default 25.
                Affects the price.
            guidance_scale: Scale for classifier-free guidance. 1 to 25. Default 5.
            denoise: How much the reference picture is transformed; this endpoint takes none.
                0.1 to 1. Default 1.
            seed: Where the randomness starts; the same seed and parameters draw the same
                picture. -1 to 999999999999999. The page says -1; a number from 0 to 2147483647,
                drawn anew for each call, is sent.
            img_width: Width of the picture, in pixels. 512 to 2048, multiples of 8. Default
                1024. Affects the price.
            img_height: Height of the picture, in pixels. 512 to 2048, multiples of 8. Default
                1024. Affects the price.
            modelsamplingsd3_shift: Shift of SD3's model sampling. 1 to 10. Default 3. Affects
                the price.
            conditioningsettimesteprange_start: Start of the conditioning's timestep range. 0.1
                to 1. Default 0.1. A value above `conditioningsettimesteprange_stop` is refused,
                unless `extra` sends it. Affects the price.
            conditioningsettimesteprange_stop: Stop of the conditioning's timestep range. 0.1 to
                1. Default 1. Affects the price.
            extra: More values for the body, by name. They are not checked, and replace parameters of the
                same name.

        Returns:
            The pictures, and what the reply said about them.

        Raises:
            InvalidRequest: A parameter is wrong, and nothing was sent. The message names every wrong one.
            SegmindError: The call failed. The error's `billed` says whether it was paid for.

        Source: https://www.segmind.com/models/stable-diffusion-3-medium-txt2img/api
        """
        raise NotImplementedError

    @endpoint
    def sd35_turbo_txt2img(
        self,
        *,
        prompt: str,
        negative_prompt: str | None = None,
        steps: int | None = None,
        guidance_scale: float | None = None,
        seed: int | None = None,
        sampler: Literal["dpmpp_2m"] | str | None = None,
        scheduler: Literal["sgm_uniform", "normal", "karras", "exponential", "simple", "ddim_uniform", "beta"]
        | str
        | None = None,
        width: int | None = None,
        height: int | None = None,
        aspect_ratio: Literal["custom", "2:3", "1:1", "16:9", "9:16", "4:3", "3:4", "21:9"]
        | str
        | None = None,
        batch_size: int | None = None,
        image_format: Literal["jpeg", "png", "webp"] | str | None = None,
        image_quality: int | None = None,
        extra: Mapping[str, Any] | None = None,
    ) -> Generation:
        """Draw pictures from a text with Stable Diffusion 3.5 turbo.

        A light model. `width` and `height` count only with a custom `aspect_ratio`.

        Args:
            prompt: What the picture shows. An empty or blank one is refused, unless `extra`
                sends it.
            negative_prompt: What the picture should not show. Default `low quality, blurry`.
            steps: How many inference steps are taken. 10 to 70. The page says 4, below its own
                minimum; 10 is sent.
            guidance_scale: How closely the picture follows the prompt. 1 to 15. Default 1.
            seed: Where the randomness starts; the same seed and parameters draw the same
                picture. The page says 98552302; a number from 0 to 2147483647, drawn anew for each
                call, is sent.
            sampler: The sampling method. The page names no default; `dpmpp_2m` is sent. Known
                values: `dpmpp_2m`; any other is sent as it is.
            scheduler: The scheduler. The page names no default; `sgm_uniform` is sent. Known
                values: `sgm_uniform`, `normal`, `karras`, `exponential`, `simple`, `ddim_uniform`,
                `beta`; any other is sent as it is.
            width: Width of the picture, in pixels. Counts only with `aspect_ratio="custom"`. 64
                to 2048. Default 1024.
            height: Height of the picture, in pixels. Counts only with `aspect_ratio="custom"`.
                64 to 2048. Default 1024.
            aspect_ratio: Shape of the picture, width to height; `custom` leaves it to `width`
                and `height`. Default `custom`. Known values: `custom`, `2:3`, `1:1`, `16:9`,
                `9:16`, `4:3`, `3:4`, `21:9`; any other is sent as it is.
            batch_size: How many pictures one call draws. 1 to 10. Default 1.
            image_format: File format of the picture. Default `jpeg`. Known values: `jpeg`,
                `png`, `webp`; any other is sent as it is.
            image_quality: Quality of the picture. 10 to 100. Default 95.
            extra: More values for the body, by name. They are not checked, and replace parameters of the
                same name.

        Returns:
            The pictures, and what the reply said about them.

        Raises:
            InvalidRequest: A parameter is wrong, and nothing was sent. The message names every wrong one.
            SegmindError: The call failed. The error's `billed` says whether it was paid for.

        Source: https://www.segmind.com/models/stable-diffusion-3.5-turbo-txt2img/api
        """
        raise NotImplementedError


class AsyncEndpoints:
    """The endpoints, for `AsyncClient`."""

    @endpoint
    async def sd3_medium_img2img(
        self,
        *,
        prompt: str,
        negative_prompt: str | None = None,
        image: ImageInput,
        num_inference_steps: int | None = None,
        guidance_scale: float | None = None,
        seed: int | None = None,
        samples: int | None = None,
        strength: float | None = None,
        sampler: Literal[
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
        | None = None,
        scheduler: Literal["sgm_uniform", "normal", "karras", "exponential", "simple", "ddim_uniform", "beta"]
        | str
        | None = None,
        extra: Mapping[str, Any] | None = None,
    ) -> Generation:
        """Redraw a picture after a text with Stable Diffusion 3 medium.

        Transforms your picture after the prompt.

        Args:
            prompt: What the picture shows. An empty or blank one is refused, unless `extra`
                sends it.
            negative_prompt: What the picture should not show. Default `low quality,less
                details`.
            image: The picture to start from, as base64 text: PNG, JPEG or GIF, at most 2048 x
                2048 pixels. Given as a path, bytes, an open file, a Pillow picture, an array of
                pixels, a picture that a call drew, or a text: `data:` URI, http(s) URL, base64 or
                path. A whole PNG, JPEG, GIF or WebP is sent byte for byte, its metadata included;
                one with a side above 2048 pixels too, with a warning. A Pillow picture is turned as
                its EXIF data says and sent as a PNG without that data: of 16 bits the upper 8,
                other colours as RGB, transparency as it is (the service is known to make it RGB);
                modes I and F, which do not say what is white, are refused. An array is of uint8,
                uint16 (the upper 8 bits) or bool, height x width, or height x width x 3 (RGB, not
                OpenCV's BGR) or 4.
            num_inference_steps: How many inference steps are taken. 1 to 100. Default 20.
            guidance_scale: Balance between following the prompt and drawing a unique picture. 1
                to 20. Default 5.
            seed: Where the randomness starts; the same seed and parameters draw the same
                picture. The page says 698845; a number from 0 to 2147483647, drawn anew for each
                call, is sent.
            samples: How many pictures one call draws. The page sets no limit. 1 to 10 here;
                `extra` sends more. Default 1.
            strength: The page gives it two meanings: how strongly `image` is transformed, and
                how much the picture follows it. 0 to 1. Default 0.7. Which of the two holds is not
                known; it is sent as it is given.
            sampler: The sampling method. Default `dpmpp_2m`. Known values: `dpmpp_2m`, `euler`,
                `euler_pp`, `euler_ancestral`, `euler_ancestral_pp`, `heun`, `heunpp2`, `dpm_2`,
                `dpm_2_ancestral`, `lms`, `dpm_fast`, `dpm_adaptive`, `dpmpp_2s_ancestral`,
                `dpmpp_sde`, `dpmpp_sde_gpu`, `dpmpp_2m_sde`, `dpmpp_2m_sde_gpu`, `dpmpp_3m_sde`,
                `dpmpp_3m_sde_gpu`, `ddpm`, `lcm`, `ipndm`, `ipndm_v`, `deis`, `ddim`, `uni_pc`,
                `uni_pc_bh2`; any other is sent as it is.
            scheduler: The scheduling algorithm. Default `sgm_uniform`. Known values:
                `sgm_uniform`, `normal`, `karras`, `exponential`, `simple`, `ddim_uniform`, `beta`;
                any other is sent as it is.
            extra: More values for the body, by name. They are not checked, and replace parameters of the
                same name.

        Returns:
            The pictures, and what the reply said about them.

        Raises:
            InvalidRequest: A parameter is wrong, and nothing was sent. The message names every wrong one.
            SegmindError: The call failed. The error's `billed` says whether it was paid for.

        Source: https://www.segmind.com/models/sd3-med-img2img/api
        """
        raise NotImplementedError

    @endpoint
    async def sd3_medium_tile(
        self,
        *,
        prompt: str,
        negative_prompt: str | None = None,
        image: ImageInput,
        num_inference_steps: int | None = None,
        guidance_scale: float | None = None,
        seed: int | None = None,
        samples: int | None = None,
        strength: float | None = None,
        sampler: Literal[
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
        | None = None,
        scheduler: Literal["sgm_uniform", "normal", "karras", "exponential", "simple", "ddim_uniform", "beta"]
        | str
        | None = None,
        extra: Mapping[str, Any] | None = None,
    ) -> Generation:
        """Draw a detailed picture over the tiles of another with Stable Diffusion 3 medium.

        A ControlNet that your picture guides by tiles; for large, coherent, detailed pictures.

        Args:
            prompt: What the picture shows. An empty or blank one is refused, unless `extra`
                sends it.
            negative_prompt: What the picture should not show. Default `low quality,less
                details`.
            image: The picture that guides the drawing, as base64 text. Given as a path, bytes,
                an open file, a Pillow picture, an array of pixels, a picture that a call drew, or a
                text: `data:` URI, http(s) URL, base64 or path. A whole PNG, JPEG, GIF or WebP is
                sent byte for byte, its metadata included; one with a side above 2048 pixels too,
                with a warning. A Pillow picture is turned as its EXIF data says and sent as a PNG
                without that data: of 16 bits the upper 8, other colours as RGB, transparency as it
                is (the service is known to make it RGB); modes I and F, which do not say what is
                white, are refused. An array is of uint8, uint16 (the upper 8 bits) or bool, height
                x width, or height x width x 3 (RGB, not OpenCV's BGR) or 4.
            num_inference_steps: How many inference steps are taken; more give finer detail and
                take longer. 1 to 100. Default 20.
            guidance_scale: How closely the picture follows the prompt. 1 to 20. Default 7.
            seed: Where the randomness starts; the same seed and parameters draw the same
                picture. The page says 698845; a number from 0 to 2147483647, drawn anew for each
                call, is sent.
            samples: How many pictures one call draws. The page sets no limit. 1 to 10 here;
                `extra` sends more. Default 1.
            strength: The page gives it two meanings: how strongly `image` is transformed, and
                how strongly it guides the picture (higher is closer to it, 0.6 to 0.9 for small
                adjustments). 0 to 1. Default 0.8. Which of the two holds is not known; it is sent
                as it is given.
            sampler: The sampling method. Default `dpmpp_2m`. Known values: `dpmpp_2m`, `ddim`,
                `euler`, `euler_pp`, `euler_ancestral`, `euler_ancestral_pp`, `heun`, `heunpp2`,
                `dpm_2`, `dpm_2_ancestral`, `lms`, `dpm_fast`, `dpm_adaptive`, `dpmpp_2s_ancestral`,
                `dpmpp_sde`, `dpmpp_sde_gpu`, `dpmpp_2m_sde`, `dpmpp_2m_sde_gpu`, `dpmpp_3m_sde`,
                `dpmpp_3m_sde_gpu`, `ddpm`, `lcm`, `ipndm`, `ipndm_v`, `deis`, `uni_pc`,
                `uni_pc_bh2`; any other is sent as it is.
            scheduler: The scheduler. Default `sgm_uniform`. Known values: `sgm_uniform`,
                `normal`, `karras`, `exponential`, `simple`, `ddim_uniform`, `beta`; any other is
                sent as it is.
            extra: More values for the body, by name. They are not checked, and replace parameters of the
                same name.

        Returns:
            The pictures, and what the reply said about them.

        Raises:
            InvalidRequest: A parameter is wrong, and nothing was sent. The message names every wrong one.
            SegmindError: The call failed. The error's `billed` says whether it was paid for.

        Source: https://www.segmind.com/models/sd3-med-tile/api
        """
        raise NotImplementedError

    @endpoint
    async def sd3_large_img2img(
        self,
        *,
        mode: Literal["image-to-image"] | str | None = None,
        image: ImageInput,
        prompt: str,
        strength: float | None = None,
        output_format: Literal["jpeg", "png"] | str | None = None,
        negative_prompt: str | None = None,
        extra: Mapping[str, Any] | None = None,
    ) -> Generation:
        """Redraw a picture after a text with Stable Diffusion 3 large.

        A model with 8 billion parameters. It takes no seed and no size.

        Args:
            mode: The type of mode. The page names no default; `image-to-image` is sent. Known
                values: `image-to-image`; any other is sent as it is.
            image: The picture to start from, as base64 text. Given as a path, bytes, an open
                file, a Pillow picture, an array of pixels, a picture that a call drew, or a text:
                `data:` URI, http(s) URL, base64 or path. A whole PNG, JPEG, GIF or WebP is sent
                byte for byte, its metadata included; one with a side above 2048 pixels too, with a
                warning. A Pillow picture is turned as its EXIF data says and sent as a PNG without
                that data: of 16 bits the upper 8, other colours as RGB, transparency as it is (the
                service is known to make it RGB); modes I and F, which do not say what is white, are
                refused. An array is of uint8, uint16 (the upper 8 bits) or bool, height x width, or
                height x width x 3 (RGB, not OpenCV's BGR) or 4.
            prompt: What the picture shows. The page prints 1, which may stand for no default;
                here it is required. An empty or blank one is refused, unless `extra` sends it.
            strength: How much `image` is transformed. The page sets no limits. Default 1.
            output_format: File format of the picture. Default `jpeg`. Known values: `jpeg`,
                `png`; any other is sent as it is.
            negative_prompt: What the picture should not show. The page prints 1, which may
                stand for no default; an empty text is sent.
            extra: More values for the body, by name. They are not checked, and replace parameters of the
                same name.

        Returns:
            The pictures, and what the reply said about them.

        Raises:
            InvalidRequest: A parameter is wrong, and nothing was sent. The message names every wrong one.
            SegmindError: The call failed. The error's `billed` says whether it was paid for.

        Source: https://www.segmind.com/models/stable-diffusion-3-large-img2img/api
        """
        raise NotImplementedError

    @endpoint
    async def sd3_medium_txt2img(
        self,
        *,
        prompt: str,
        negative_prompt: str | None = None,
        samples: int | None = None,
        scheduler: Literal["DPM++ 2M", "DPM++ 2M Karras", "DPM++ SDE Karras", "LMS Karras", "DPM2 a Karras"]
        | str
        | None = None,
        num_inference_steps: int | None = None,
        guidance_scale: float | None = None,
        denoise: float | None = None,
        seed: int | None = None,
        img_width: int | None = None,
        img_height: int | None = None,
        modelsamplingsd3_shift: int | None = None,
        conditioningsettimesteprange_start: float | None = None,
        conditioningsettimesteprange_stop: float | None = None,
        extra: Mapping[str, Any] | None = None,
    ) -> Generation:
        """Draw pictures from a text with Stable Diffusion 3 medium.

        Renders writing inside the picture well. Seven of its parameters affect the price.

        Args:
            prompt: What the picture shows. An empty or blank one is refused, unless `extra`
                sends it.
            negative_prompt: What the picture should not show. The page says `None`. Nothing is
                sent unless it is given.
            samples: How many pictures one call draws. 1 to 4. Default 1. Affects the price.
            scheduler: The type of scheduler. Default `DPM++ 2M`. Known values: `DPM++ 2M`,
                `DPM++ 2M Karras`, `DPM++ SDE Karras`, `LMS Karras`, `DPM2 a Karras`; any other is
                sent as it is.
            num_inference_steps: How many denoising steps are taken. 10 to 100. Default 25.
                Affects the price.
            guidance_scale: Scale for classifier-free guidance. 1 to 25. Default 5.
            denoise: How much the reference picture is transformed; this endpoint takes none.
                0.1 to 1. Default 1.
            seed: Where the randomness starts; the same seed and parameters draw the same
                picture. -1 to 999999999999999. The page says -1; a number from 0 to 2147483647,
                drawn anew for each call, is sent.
            img_width: Width of the picture, in pixels. 512 to 2048, multiples of 8. Default
                1024. Affects the price.
            img_height: Height of the picture, in pixels. 512 to 2048, multiples of 8. Default
                1024. Affects the price.
            modelsamplingsd3_shift: Shift of SD3's model sampling. 1 to 10. Default 3. Affects
                the price.
            conditioningsettimesteprange_start: Start of the conditioning's timestep range. 0.1
                to 1. Default 0.1. A value above `conditioningsettimesteprange_stop` is refused,
                unless `extra` sends it. Affects the price.
            conditioningsettimesteprange_stop: Stop of the conditioning's timestep range. 0.1 to
                1. Default 1. Affects the price.
            extra: More values for the body, by name. They are not checked, and replace parameters of the
                same name.

        Returns:
            The pictures, and what the reply said about them.

        Raises:
            InvalidRequest: A parameter is wrong, and nothing was sent. The message names every wrong one.
            SegmindError: The call failed. The error's `billed` says whether it was paid for.

        Source: https://www.segmind.com/models/stable-diffusion-3-medium-txt2img/api
        """
        raise NotImplementedError

    @endpoint
    async def sd35_turbo_txt2img(
        self,
        *,
        prompt: str,
        negative_prompt: str | None = None,
        steps: int | None = None,
        guidance_scale: float | None = None,
        seed: int | None = None,
        sampler: Literal["dpmpp_2m"] | str | None = None,
        scheduler: Literal["sgm_uniform", "normal", "karras", "exponential", "simple", "ddim_uniform", "beta"]
        | str
        | None = None,
        width: int | None = None,
        height: int | None = None,
        aspect_ratio: Literal["custom", "2:3", "1:1", "16:9", "9:16", "4:3", "3:4", "21:9"]
        | str
        | None = None,
        batch_size: int | None = None,
        image_format: Literal["jpeg", "png", "webp"] | str | None = None,
        image_quality: int | None = None,
        extra: Mapping[str, Any] | None = None,
    ) -> Generation:
        """Draw pictures from a text with Stable Diffusion 3.5 turbo.

        A light model. `width` and `height` count only with a custom `aspect_ratio`.

        Args:
            prompt: What the picture shows. An empty or blank one is refused, unless `extra`
                sends it.
            negative_prompt: What the picture should not show. Default `low quality, blurry`.
            steps: How many inference steps are taken. 10 to 70. The page says 4, below its own
                minimum; 10 is sent.
            guidance_scale: How closely the picture follows the prompt. 1 to 15. Default 1.
            seed: Where the randomness starts; the same seed and parameters draw the same
                picture. The page says 98552302; a number from 0 to 2147483647, drawn anew for each
                call, is sent.
            sampler: The sampling method. The page names no default; `dpmpp_2m` is sent. Known
                values: `dpmpp_2m`; any other is sent as it is.
            scheduler: The scheduler. The page names no default; `sgm_uniform` is sent. Known
                values: `sgm_uniform`, `normal`, `karras`, `exponential`, `simple`, `ddim_uniform`,
                `beta`; any other is sent as it is.
            width: Width of the picture, in pixels. Counts only with `aspect_ratio="custom"`. 64
                to 2048. Default 1024.
            height: Height of the picture, in pixels. Counts only with `aspect_ratio="custom"`.
                64 to 2048. Default 1024.
            aspect_ratio: Shape of the picture, width to height; `custom` leaves it to `width`
                and `height`. Default `custom`. Known values: `custom`, `2:3`, `1:1`, `16:9`,
                `9:16`, `4:3`, `3:4`, `21:9`; any other is sent as it is.
            batch_size: How many pictures one call draws. 1 to 10. Default 1.
            image_format: File format of the picture. Default `jpeg`. Known values: `jpeg`,
                `png`, `webp`; any other is sent as it is.
            image_quality: Quality of the picture. 10 to 100. Default 95.
            extra: More values for the body, by name. They are not checked, and replace parameters of the
                same name.

        Returns:
            The pictures, and what the reply said about them.

        Raises:
            InvalidRequest: A parameter is wrong, and nothing was sent. The message names every wrong one.
            SegmindError: The call failed. The error's `billed` says whether it was paid for.

        Source: https://www.segmind.com/models/stable-diffusion-3.5-turbo-txt2img/api
        """
        raise NotImplementedError
