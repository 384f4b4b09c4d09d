"""List single-fact edits of a bundle with the rating that each must have, and redocly's if it differs.

Each edit changes a bundle in place, in one fact. Redocly is expected to ask for `major` if our rating is
breaking, and for less otherwise, unless the edit states another bump and the reason.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, Literal

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from segmind_sd3_pipeline.changes.nodes import Bundle
    from segmind_sd3_pipeline.changes.rating import Rating

PATH: Final = "/v1/stable-diffusion-3.5-turbo-txt2img"
MODEL: Final = "Sd35TurboTxt2Img"

Bump = Literal["major", "minor", "patch"]


@dataclass(frozen=True, slots=True)
class Edit:
    """One edit of the turbo endpoint.

    Attributes:
        make: Edits a bundle in place.
        about, what, wire: The fields of the resulting change.
        redocly: The bump that redocly asks for, if it differs from what our rating implies.
        why: The reason for that difference.
    """

    make: Callable[[Bundle], object]
    about: str
    what: str
    wire: Rating
    redocly: Bump | None = None
    why: str = ""


def _endpoint(bundle: Bundle) -> Any:
    return bundle["paths"][PATH]["post"]


def _replies(bundle: Bundle) -> Any:
    return _endpoint(bundle)["responses"]


def _model(bundle: Bundle) -> Any:
    return bundle["components"]["schemas"][MODEL]


def _set_keywords(name: str, **words: Any) -> Callable[[Bundle], object]:
    return lambda bundle: _model(bundle)["properties"].setdefault(name, {}).update(words)


def _remove_keyword(name: str, word: str) -> Callable[[Bundle], object]:
    return lambda bundle: _model(bundle)["properties"][name].pop(word)


def _require(name: str) -> Callable[[Bundle], object]:
    return lambda bundle: _model(bundle)["required"].append(name)


def _remove_parameter(name: str) -> Callable[[Bundle], object]:
    def make(bundle: Bundle) -> None:
        del _model(bundle)["properties"][name]
        _model(bundle)["x-documented-sample"]["values"].pop(name, None)

    return make


def _all_of(*edits: Callable[[Bundle], object]) -> Callable[[Bundle], object]:
    return lambda bundle: [edit(bundle) for edit in edits]


def _deprecate(bundle: Bundle) -> None:
    _endpoint(bundle)["deprecated"] = True


def _ignores(kind: str) -> str:
    return f"it ignores {kind}"


EDITS: Final[Mapping[str, Edit]] = {
    "a parameter is added": Edit(_set_keywords("shiny", type="boolean"), "shiny", "added", "additive"),
    "a required parameter is added": Edit(
        _all_of(_set_keywords("shiny", type="boolean"), _require("shiny")), "shiny", "added", "breaking"
    ),
    "a parameter is removed": Edit(
        _remove_parameter("image_quality"),
        "image_quality",
        "removed",
        "breaking",
        "patch",
        "it assumes that a server ignores a removed property of a request",
    ),
    "a parameter becomes required": Edit(_require("seed"), "seed", "required", "breaking"),
    "a parameter becomes optional": Edit(
        lambda bundle: _model(bundle)["required"].remove("sampler"), "sampler", "required", "additive"
    ),
    "a maximum is lowered": Edit(_set_keywords("steps", maximum=60), "steps", "maximum", "breaking"),
    "a maximum is raised": Edit(_set_keywords("steps", maximum=80), "steps", "maximum", "additive"),
    "a maximum is set": Edit(_set_keywords("seed", maximum=9), "seed", "maximum", "breaking"),
    "a maximum is removed": Edit(_remove_keyword("steps", "maximum"), "steps", "maximum", "additive"),
    "a minimum is raised": Edit(_set_keywords("steps", minimum=20), "steps", "minimum", "breaking"),
    "a minimum is lowered": Edit(_set_keywords("steps", minimum=5), "steps", "minimum", "additive"),
    "a multiple is set": Edit(_set_keywords("width", multipleOf=8), "width", "multiple of", "breaking"),
    "allowed values are listed": Edit(
        _set_keywords("sampler", enum=["dpmpp_2m", "euler"]), "sampler", "allowed values", "breaking"
    ),
    "a default is changed": Edit(
        _set_keywords("guidance_scale", default=2),
        "guidance_scale",
        "default",
        "breaking",
        "patch",
        _ignores("defaults"),
    ),
    "an impossible default is changed": Edit(
        _set_keywords("steps", **{"x-documented-default": 5}),
        "steps",
        "default",
        "breaking",
        "patch",
        _ignores("extensions"),
    ),
    "a default is removed": Edit(
        _remove_keyword("guidance_scale", "default"),
        "guidance_scale",
        "default",
        "breaking",
        "patch",
        _ignores("defaults"),
    ),
    "a default is added": Edit(_set_keywords("sampler", default="euler"), "sampler", "default", "additive"),
    "an integer becomes a number": Edit(_set_keywords("steps", type="number"), "steps", "type", "additive"),
    "a number becomes an integer": Edit(
        _set_keywords("guidance_scale", type="integer"), "guidance_scale", "type", "breaking"
    ),
    "a type is changed": Edit(_set_keywords("sampler", type="integer"), "sampler", "type", "breaking"),
    "an unknown keyword is added": Edit(
        _set_keywords("prompt", pattern="^[a-z]"), "prompt", "pattern", "breaking"
    ),
    "a parameter affects the price": Edit(
        _set_keywords("steps", **{"x-affects-pricing": True}), "steps", "affects the price", "harmless"
    ),
    "a description is changed": Edit(
        _set_keywords("steps", description="Steps."), "steps", "description", "harmless"
    ),
    "a status is added": Edit(
        lambda bundle: _replies(bundle).update({"402": {"description": "Too few credits."}}),
        "status 402",
        "added",
        "additive",
    ),
    "a status is removed": Edit(
        lambda bundle: _replies(bundle).pop("406"), "status 406", "removed", "breaking"
    ),
    "a header is removed": Edit(
        lambda bundle: _replies(bundle)["200"].pop("headers"),
        "status 200, header x-remaining-credits",
        "removed",
        "breaking",
    ),
    "a header is added": Edit(
        lambda bundle: _replies(bundle)["200"]["headers"].update({"x-cost": {"schema": {"type": "number"}}}),
        "status 200, header x-cost",
        "added",
        "additive",
    ),
    "a media type is added": Edit(
        lambda bundle: _replies(bundle)["200"]["content"].update({"image/png": {}}),
        "status 200, content image/png",
        "added",
        "additive",
    ),
    "a media type is removed": Edit(
        lambda bundle: _replies(bundle)["200"]["content"].clear(),
        "status 200, content image/jpeg",
        "removed",
        "breaking",
    ),
    "an endpoint is deprecated": Edit(_deprecate, "", "deprecated", "harmless"),
    "an endpoint is removed": Edit(lambda bundle: bundle["paths"].pop(PATH), "", "removed", "breaking"),
    "an endpoint moves": Edit(
        lambda bundle: bundle["paths"].update({"/v2/turbo": bundle["paths"].pop(PATH)}),
        "",
        "address",
        "breaking",
    ),
    "the service moves": Edit(
        lambda bundle: bundle["servers"][0].update(url="https://api.invalid"), "", "servers", "breaking"
    ),
    "the key's header is renamed": Edit(
        lambda bundle: bundle["components"]["securitySchemes"]["ApiKey"].update(name="x-key"),
        "",
        "key",
        "breaking",
    ),
}
