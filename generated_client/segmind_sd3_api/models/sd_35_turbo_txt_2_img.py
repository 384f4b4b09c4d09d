from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeVar

from attrs import define as _attrs_define
from attrs import field as _attrs_field

from ..types import UNSET, Unset

T = TypeVar("T", bound="Sd35TurboTxt2Img")


@_attrs_define
class Sd35TurboTxt2Img:
    """
    Attributes:
        prompt (str): What the picture shows.
        sampler (str): The sampling method.
        scheduler (str): The scheduler.
        negative_prompt (str | Unset): What the picture should not show.
        steps (int | Unset): How many inference steps are taken.
        guidance_scale (float | Unset): How closely the picture follows the prompt.
        seed (int | Unset): Where the randomness starts; the same seed and parameters draw the same picture.
        width (int | Unset): Width of the picture, in pixels. Counts only with `aspect_ratio="custom"`.
        height (int | Unset): Height of the picture, in pixels. Counts only with `aspect_ratio="custom"`.
        aspect_ratio (str | Unset): Shape of the picture, width to height; `custom` leaves it to `width` and `height`.
        batch_size (int | Unset): How many pictures one call draws.
        image_format (str | Unset): File format of the picture.
        image_quality (int | Unset): Quality of the picture.
        base64 (bool | Unset): Whether the reply is the picture as base64 text, not the picture itself.
    """

    prompt: str
    sampler: str
    scheduler: str
    negative_prompt: str | Unset = UNSET
    steps: int | Unset = UNSET
    guidance_scale: float | Unset = UNSET
    seed: int | Unset = UNSET
    width: int | Unset = UNSET
    height: int | Unset = UNSET
    aspect_ratio: str | Unset = UNSET
    batch_size: int | Unset = UNSET
    image_format: str | Unset = UNSET
    image_quality: int | Unset = UNSET
    base64: bool | Unset = UNSET
    additional_properties: dict[str, Any] = _attrs_field(init=False, factory=dict)

    def to_dict(self) -> dict[str, Any]:
        prompt = self.prompt

        sampler = self.sampler

        scheduler = self.scheduler

        negative_prompt = self.negative_prompt

        steps = self.steps

        guidance_scale = self.guidance_scale

        seed = self.seed

        width = self.width

        height = self.height

        aspect_ratio = self.aspect_ratio

        batch_size = self.batch_size

        image_format = self.image_format

        image_quality = self.image_quality

        base64 = self.base64

        field_dict: dict[str, Any] = {}
        field_dict.update(self.additional_properties)
        field_dict.update(
            {
                "prompt": prompt,
                "sampler": sampler,
                "scheduler": scheduler,
            }
        )
        if negative_prompt is not UNSET:
            field_dict["negative_prompt"] = negative_prompt
        if steps is not UNSET:
            field_dict["steps"] = steps
        if guidance_scale is not UNSET:
            field_dict["guidance_scale"] = guidance_scale
        if seed is not UNSET:
            field_dict["seed"] = seed
        if width is not UNSET:
            field_dict["width"] = width
        if height is not UNSET:
            field_dict["height"] = height
        if aspect_ratio is not UNSET:
            field_dict["aspect_ratio"] = aspect_ratio
        if batch_size is not UNSET:
            field_dict["batch_size"] = batch_size
        if image_format is not UNSET:
            field_dict["image_format"] = image_format
        if image_quality is not UNSET:
            field_dict["image_quality"] = image_quality
        if base64 is not UNSET:
            field_dict["base64"] = base64

        return field_dict

    @classmethod
    def from_dict(cls: type[T], src_dict: Mapping[str, Any]) -> T:
        d = dict(src_dict)
        prompt = d.pop("prompt")

        sampler = d.pop("sampler")

        scheduler = d.pop("scheduler")

        negative_prompt = d.pop("negative_prompt", UNSET)

        steps = d.pop("steps", UNSET)

        guidance_scale = d.pop("guidance_scale", UNSET)

        seed = d.pop("seed", UNSET)

        width = d.pop("width", UNSET)

        height = d.pop("height", UNSET)

        aspect_ratio = d.pop("aspect_ratio", UNSET)

        batch_size = d.pop("batch_size", UNSET)

        image_format = d.pop("image_format", UNSET)

        image_quality = d.pop("image_quality", UNSET)

        base64 = d.pop("base64", UNSET)

        sd_35_turbo_txt_2_img = cls(
            prompt=prompt,
            sampler=sampler,
            scheduler=scheduler,
            negative_prompt=negative_prompt,
            steps=steps,
            guidance_scale=guidance_scale,
            seed=seed,
            width=width,
            height=height,
            aspect_ratio=aspect_ratio,
            batch_size=batch_size,
            image_format=image_format,
            image_quality=image_quality,
            base64=base64,
        )

        sd_35_turbo_txt_2_img.additional_properties = d
        return sd_35_turbo_txt_2_img

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
