from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeVar

from attrs import define as _attrs_define
from attrs import field as _attrs_field

from ..types import UNSET, Unset

T = TypeVar("T", bound="Sd3MediumTxt2Img")


@_attrs_define
class Sd3MediumTxt2Img:
    """
    Attributes:
        prompt (str): What the picture shows.
        negative_prompt (str | Unset): What the picture should not show.
        samples (int | Unset): How many pictures one call draws.
        scheduler (str | Unset): The type of scheduler.
        num_inference_steps (int | Unset): How many denoising steps are taken.
        guidance_scale (float | Unset): Scale for classifier-free guidance.
        denoise (float | Unset): How much the reference picture is transformed; this endpoint takes none.
        seed (int | Unset): Where the randomness starts; the same seed and parameters draw the same picture.
        img_width (int | Unset): Width of the picture, in pixels.
        img_height (int | Unset): Height of the picture, in pixels.
        modelsamplingsd3_shift (int | Unset): Shift of SD3's model sampling.
        conditioningsettimesteprange_start (float | Unset): Start of the conditioning's timestep range.
        conditioningsettimesteprange_stop (float | Unset): Stop of the conditioning's timestep range.
        base64 (bool | Unset): Whether the reply is the picture as base64 text, not the picture itself.
    """

    prompt: str
    negative_prompt: str | Unset = UNSET
    samples: int | Unset = UNSET
    scheduler: str | Unset = UNSET
    num_inference_steps: int | Unset = UNSET
    guidance_scale: float | Unset = UNSET
    denoise: float | Unset = UNSET
    seed: int | Unset = UNSET
    img_width: int | Unset = UNSET
    img_height: int | Unset = UNSET
    modelsamplingsd3_shift: int | Unset = UNSET
    conditioningsettimesteprange_start: float | Unset = UNSET
    conditioningsettimesteprange_stop: float | Unset = UNSET
    base64: bool | Unset = UNSET
    additional_properties: dict[str, Any] = _attrs_field(init=False, factory=dict)

    def to_dict(self) -> dict[str, Any]:
        prompt = self.prompt

        negative_prompt = self.negative_prompt

        samples = self.samples

        scheduler = self.scheduler

        num_inference_steps = self.num_inference_steps

        guidance_scale = self.guidance_scale

        denoise = self.denoise

        seed = self.seed

        img_width = self.img_width

        img_height = self.img_height

        modelsamplingsd3_shift = self.modelsamplingsd3_shift

        conditioningsettimesteprange_start = self.conditioningsettimesteprange_start

        conditioningsettimesteprange_stop = self.conditioningsettimesteprange_stop

        base64 = self.base64

        field_dict: dict[str, Any] = {}
        field_dict.update(self.additional_properties)
        field_dict.update(
            {
                "prompt": prompt,
            }
        )
        if negative_prompt is not UNSET:
            field_dict["negative_prompt"] = negative_prompt
        if samples is not UNSET:
            field_dict["samples"] = samples
        if scheduler is not UNSET:
            field_dict["scheduler"] = scheduler
        if num_inference_steps is not UNSET:
            field_dict["num_inference_steps"] = num_inference_steps
        if guidance_scale is not UNSET:
            field_dict["guidance_scale"] = guidance_scale
        if denoise is not UNSET:
            field_dict["denoise"] = denoise
        if seed is not UNSET:
            field_dict["seed"] = seed
        if img_width is not UNSET:
            field_dict["img_width"] = img_width
        if img_height is not UNSET:
            field_dict["img_height"] = img_height
        if modelsamplingsd3_shift is not UNSET:
            field_dict["modelsamplingsd3_shift"] = modelsamplingsd3_shift
        if conditioningsettimesteprange_start is not UNSET:
            field_dict["conditioningsettimesteprange_start"] = conditioningsettimesteprange_start
        if conditioningsettimesteprange_stop is not UNSET:
            field_dict["conditioningsettimesteprange_stop"] = conditioningsettimesteprange_stop
        if base64 is not UNSET:
            field_dict["base64"] = base64

        return field_dict

    @classmethod
    def from_dict(cls: type[T], src_dict: Mapping[str, Any]) -> T:
        d = dict(src_dict)
        prompt = d.pop("prompt")

        negative_prompt = d.pop("negative_prompt", UNSET)

        samples = d.pop("samples", UNSET)

        scheduler = d.pop("scheduler", UNSET)

        num_inference_steps = d.pop("num_inference_steps", UNSET)

        guidance_scale = d.pop("guidance_scale", UNSET)

        denoise = d.pop("denoise", UNSET)

        seed = d.pop("seed", UNSET)

        img_width = d.pop("img_width", UNSET)

        img_height = d.pop("img_height", UNSET)

        modelsamplingsd3_shift = d.pop("modelsamplingsd3_shift", UNSET)

        conditioningsettimesteprange_start = d.pop("conditioningsettimesteprange_start", UNSET)

        conditioningsettimesteprange_stop = d.pop("conditioningsettimesteprange_stop", UNSET)

        base64 = d.pop("base64", UNSET)

        sd_3_medium_txt_2_img = cls(
            prompt=prompt,
            negative_prompt=negative_prompt,
            samples=samples,
            scheduler=scheduler,
            num_inference_steps=num_inference_steps,
            guidance_scale=guidance_scale,
            denoise=denoise,
            seed=seed,
            img_width=img_width,
            img_height=img_height,
            modelsamplingsd3_shift=modelsamplingsd3_shift,
            conditioningsettimesteprange_start=conditioningsettimesteprange_start,
            conditioningsettimesteprange_stop=conditioningsettimesteprange_stop,
            base64=base64,
        )

        sd_3_medium_txt_2_img.additional_properties = d
        return sd_3_medium_txt_2_img

    @property
    def additional_keys(self) -> list[str]:
        return list(self.additional_properties.keys())

    def __getitem__(self, key: str) -> Any:
        return self.additional_properties[key]

    def __setitem__(self, key: str, value: Any) -> None:
        self.additional_properties[key] = value

    def __delitem__(self, key: str) -> None:
        del self.additional_properties[key]

    def __contains__(self, key: str) -> bool:
        return key in self.additional_properties
