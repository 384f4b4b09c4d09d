from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeVar

from attrs import define as _attrs_define
from attrs import field as _attrs_field

from ..types import UNSET, Unset

T = TypeVar("T", bound="Sd3MediumImg2Img")


@_attrs_define
class Sd3MediumImg2Img:
    """
    Attributes:
        prompt (str): What the picture shows.
        image (str): The picture to start from, as base64 text: PNG, JPEG or GIF, at most 2048 x 2048 pixels.
        negative_prompt (str | Unset): What the picture should not show.
        num_inference_steps (int | Unset): How many inference steps are taken.
        guidance_scale (float | Unset): Balance between following the prompt and drawing a unique picture.
        seed (int | Unset): Where the randomness starts; the same seed and parameters draw the same picture.
        samples (int | Unset): How many pictures one call draws. The page sets no limit.
        strength (float | Unset): The page gives it two meanings: how strongly `image` is transformed, and how much the
            picture follows it.
        sampler (str | Unset): The sampling method.
        scheduler (str | Unset): The scheduling algorithm.
        base64 (bool | Unset): Whether the reply is the picture as base64 text, not the picture itself.
    """

    prompt: str
    image: str
    negative_prompt: str | Unset = UNSET
    num_inference_steps: int | Unset = UNSET
    guidance_scale: float | Unset = UNSET
    seed: int | Unset = UNSET
    samples: int | Unset = UNSET
    strength: float | Unset = UNSET
    sampler: str | Unset = UNSET
    scheduler: str | Unset = UNSET
    base64: bool | Unset = UNSET
    additional_properties: dict[str, Any] = _attrs_field(init=False, factory=dict)

    def to_dict(self) -> dict[str, Any]:
        prompt = self.prompt

        image = self.image

        negative_prompt = self.negative_prompt

        num_inference_steps = self.num_inference_steps

        guidance_scale = self.guidance_scale

        seed = self.seed

        samples = self.samples

        strength = self.strength

        sampler = self.sampler

        scheduler = self.scheduler

        base64 = self.base64

        field_dict: dict[str, Any] = {}
        field_dict.update(self.additional_properties)
        field_dict.update(
            {
                "prompt": prompt,
                "image": image,
            }
        )
        if negative_prompt is not UNSET:
            field_dict["negative_prompt"] = negative_prompt
        if num_inference_steps is not UNSET:
            field_dict["num_inference_steps"] = num_inference_steps
        if guidance_scale is not UNSET:
            field_dict["guidance_scale"] = guidance_scale
        if seed is not UNSET:
            field_dict["seed"] = seed
        if samples is not UNSET:
            field_dict["samples"] = samples
        if strength is not UNSET:
            field_dict["strength"] = strength
        if sampler is not UNSET:
            field_dict["sampler"] = sampler
        if scheduler is not UNSET:
            field_dict["scheduler"] = scheduler
        if base64 is not UNSET:
            field_dict["base64"] = base64

        return field_dict

    @classmethod
    def from_dict(cls: type[T], src_dict: Mapping[str, Any]) -> T:
        d = dict(src_dict)
        prompt = d.pop("prompt")

        image = d.pop("image")

        negative_prompt = d.pop("negative_prompt", UNSET)

        num_inference_steps = d.pop("num_inference_steps", UNSET)

        guidance_scale = d.pop("guidance_scale", UNSET)

        seed = d.pop("seed", UNSET)

        samples = d.pop("samples", UNSET)

        strength = d.pop("strength", UNSET)

        sampler = d.pop("sampler", UNSET)

        scheduler = d.pop("scheduler", UNSET)

        base64 = d.pop("base64", UNSET)

        sd_3_medium_img_2_img = cls(
            prompt=prompt,
            image=image,
            negative_prompt=negative_prompt,
            num_inference_steps=num_inference_steps,
            guidance_scale=guidance_scale,
            seed=seed,
            samples=samples,
            strength=strength,
            sampler=sampler,
            scheduler=scheduler,
            base64=base64,
        )

        sd_3_medium_img_2_img.additional_properties = d
        return sd_3_medium_img_2_img

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
