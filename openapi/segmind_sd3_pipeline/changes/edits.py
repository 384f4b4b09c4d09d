"""Edits of a bundle, one fact each, with the rating that each should have, and redocly's where it differs.

Law: an edit is made on a bundle in place, and changes nothing but the one fact. From our rating follows what
redocly says, `major` for what is breaking and less for all else, unless the edit tells what and why.
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
        make: edits a bundle in place.
        about, what, wire: of the one change that it makes.
        redocly: the bump that redocly asks for, where it sees the edit otherwise; and `why`.
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


def _set(name: str, **words: Any) -> Callable[[Bundle], object]:
    return lambda bundle: _model(bundle)["properties"].setdefault(name, {}).update(words)


def _without(name: str, word: str) -> Callable[[Bundle], object]:
    return lambda bundle: _model(bundle)["properties"][name].pop(word)


def _require(name: str) -> Callable[[Bundle], object]:
    return lambda bundle: _model(bundle)["required"].append(name)


def _remove(name: str) -> Callable[[Bundle], object]:
    def make(bundle: Bundle) -> None:
        del _model(bundle)["properties"][name]
        _model(bundle)["x-documented-sample"]["values"].pop(name, None)

    return make


def _both(*edits: Callable[[Bundle], object]) -> Callable[[Bundle], object]:
    return lambda bundle: [edit(bundle) for edit in edits]


def _deprecate(bundle: Bundle) -> None:
    _endpoint(bundle)["deprecated"] = True


def _ignored(kind: str) -> str:
    return f"it leaves {kind} out of its judgement"


EDITS: Final[Mapping[str, Edit]] = {
    "a parameter is added": Edit(_set("shiny", type="boolean"), "shiny", "added", "additive"),
    "a required parameter is added": Edit(
        _both(_set("shiny", type="boolean"), _require("shiny")), "shiny", "added", "breaking"
    ),
    "a parameter is removed": Edit(
        _remove("image_quality"),
        "image_quality",
        "removed",
        "breaking",
        "patch",
        "it takes a property of a request that goes for one that is ignored",
    ),
    "a parameter becomes required": Edit(_require("seed"), "seed", "required", "breaking"),
    "a parameter is required no longer": Edit(
        lambda bundle: _model(bundle)["required"].remove("sampler"), "sampler", "required", "additive"
    ),
    "a maximum is lowered": Edit(_set("steps", maximum=60), "steps", "maximum", "breaking"),
    "a maximum is raised": Edit(_set("steps", maximum=80), "steps", "maximum", "additive"),
    "a maximum is set": Edit(_set("seed", maximum=9), "seed", "maximum", "breaking"),
    "a maximum goes": Edit(_without("steps", "maximum"), "steps", "maximum", "additive"),
    "a minimum is raised": Edit(_set("steps", minimum=20), "steps", "minimum", "breaking"),
    "a minimum is lowered": Edit(_set("steps", minimum=5), "steps", "minimum", "additive"),
    "a multiple is set": Edit(_set("width", multipleOf=8), "width", "multiple of", "breaking"),
    "the allowed values are filled in": Edit(
        _set("sampler", enum=["dpmpp_2m", "euler"]), "sampler", "allowed values", "breaking"
    ),
    "a default is changed": Edit(
        _set("guidance_scale", default=2),
        "guidance_scale",
        "default",
        "breaking",
        "patch",
        _ignored("defaults"),
    ),
    "an impossible default is changed": Edit(
        _set("steps", **{"x-documented-default": 5}),
        "steps",
        "default",
        "breaking",
        "patch",
        _ignored("extensions"),
    ),
    "a default goes": Edit(
        _without("guidance_scale", "default"),
        "guidance_scale",
        "default",
        "breaking",
        "patch",
        _ignored("defaults"),
    ),
    "a default is told": Edit(_set("sampler", default="euler"), "sampler", "default", "additive"),
    "a whole number may have decimals": Edit(_set("steps", type="number"), "steps", "type", "additive"),
    "a number becomes whole": Edit(
        _set("guidance_scale", type="integer"), "guidance_scale", "type", "breaking"
    ),
    "a type is another": Edit(_set("sampler", type="integer"), "sampler", "type", "breaking"),
    "a word that nobody rates": Edit(_set("prompt", pattern="^[a-z]"), "prompt", "pattern", "breaking"),
    "the price mark": Edit(
        _set("steps", **{"x-affects-pricing": True}), "steps", "affects the price", "harmless"
    ),
    "a description": Edit(_set("steps", description="Steps."), "steps", "description", "harmless"),
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
    "a kind of reply is added": Edit(
        lambda bundle: _replies(bundle)["200"]["content"].update({"image/png": {}}),
        "status 200, content image/png",
        "added",
        "additive",
    ),
    "a kind of reply is removed": Edit(
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
    "the key has another header": Edit(
        lambda bundle: bundle["components"]["securitySchemes"]["ApiKey"].update(name="x-key"),
        "",
        "key",
        "breaking",
    ),
}
