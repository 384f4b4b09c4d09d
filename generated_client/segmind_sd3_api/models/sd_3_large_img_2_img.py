from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeVar

from attrs import define as _attrs_define
from attrs import field as _attrs_field

from ..types import UNSET, Unset

T = TypeVar("T", bound="Sd3LargeImg2Img")


@_attrs_define
class Sd3LargeImg2Img:
    """
    Attributes:
        mode (str): The type of mode.
        image (str): The picture to start from, as base64 text.
        prompt (str | Unset): What the picture shows.
        strength (float | Unset): How much `image` is transformed. The page sets no limits.
        output_format (str | Unset): File format of the picture.
        base64 (bool | Unset): Whether the reply is the picture as base64 text, not the picture itself.
        negative_prompt (str | Unset): What the picture should not show.
    """

    mode: str
    image: str
    prompt: str | Unset = UNSET
    strength: float | Unset = UNSET
    output_format: str | Unset = UNSET
    base64: bool | Unset = UNSET
    negative_prompt: str | Unset = UNSET
    additional_properties: dict[str, Any] = _attrs_field(init=False, factory=dict)

    def to_dict(self) -> dict[str, Any]:
        mode = self.mode

        image = self.image

        prompt = self.prompt

        strength = self.strength

        output_format = self.output_format

        base64 = self.base64

        negative_prompt = self.negative_prompt

        field_dict: dict[str, Any] = {}
        field_dict.update(self.additional_properties)
        field_dict.update(
            {
                "mode": mode,
                "image": image,
            }
        )
        if prompt is not UNSET:
            field_dict["prompt"] = prompt
        if strength is not UNSET:
            field_dict["strength"] = strength
        if output_format is not UNSET:
            field_dict["output_format"] = output_format
        if base64 is not UNSET:
            field_dict["base64"] = base64
        if negative_prompt is not UNSET:
            field_dict["negative_prompt"] = negative_prompt

        return field_dict

    @classmethod
    def from_dict(cls: type[T], src_dict: Mapping[str, Any]) -> T:
        d = dict(src_dict)
        mode = d.pop("mode")

        image = d.pop("image")

        prompt = d.pop("prompt", UNSET)

        strength = d.pop("strength", UNSET)

        output_format = d.pop("output_format", UNSET)

        base64 = d.pop("base64", UNSET)

        negative_prompt = d.pop("negative_prompt", UNSET)

        sd_3_large_img_2_img = cls(
            mode=mode,
            image=image,
            prompt=prompt,
            strength=strength,
            output_format=output_format,
            base64=base64,
            negative_prompt=negative_prompt,
        )

        sd_3_large_img_2_img.additional_properties = d
        return sd_3_large_img_2_img

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
