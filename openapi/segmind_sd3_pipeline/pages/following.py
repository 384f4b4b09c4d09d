"""One spec on its way to its page: which lines of it change, and which of what all specs share."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Final

from segmind_sd3_pipeline.pages.editing import Edited
from segmind_sd3_pipeline.pages.new_spec import headers_of, response_of
from segmind_sd3_pipeline.pages.properties import ORDER, OURS, property_of, same
from segmind_sd3_pipeline.spec.documents import read

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

    from segmind_sd3_pipeline.pages.facts import Facts

SHARED: Final = "components.yaml"


class CanNotSync(Exception):
    """A page that the specs can't follow by themselves. `str()` says why, and which action or line it is."""


def shared_responses(folder: Path) -> dict[str, str]:
    """The components that specs refer to for a status, by its code and its name: `401 Unauthorized`."""
    components = read(folder / SHARED)["components"]["responses"]
    found: dict[str, str] = {}
    for file in sorted(folder.glob("*.yaml")):
        for item in read(file).get("paths", {}).values():
            for operation in item.values():
                for code, response in operation["responses"].items():
                    if name := response.get("$ref", "").rpartition("/")[2]:
                        found[f"{code} {components[name]['x-documented-name']}"] = name
    return found


class Spec:
    """One spec on its way to its page."""

    def __init__(
        self, facts: Facts, document: dict[str, Any], text: str, folder: Path, said: Mapping[str, Facts]
    ) -> None:
        self.facts, self.document, self.folder, self.said = facts, document, folder, said
        self.file = folder / f"{facts['slug']}.yaml"
        self.edits = Edited(text)
        self.shared = Edited((folder / SHARED).read_text(encoding="utf-8"))
        self.shared_document = read(folder / SHARED)
        (self.path,) = document["paths"]
        ((self.method, self.operation),) = document["paths"][self.path].items()
        body = self.operation["requestBody"]["content"]["application/json"]["schema"]
        self.model = body["$ref"].rpartition("/")[2]
        self.schema = document["components"]["schemas"][self.model]
        self.at_schema = ("components", "schemas", self.model)
        self.at_operation = ("paths", self.path, self.method)
        self.at_responses = (*self.at_operation, "responses")

    def texts(self, day: str) -> dict[Path, str]:
        self._source(day)
        self._address()
        self._sample()
        self._attributes()
        self._statuses()
        self._headers()
        # What is put in its place by name is put in order by a second reading.
        again = Edited(str(self.edits))
        again.reorder((*self.at_schema, "properties"), [each["name"] for each in self.facts["attributes"]])
        method = self.facts["method"].lower()
        responses = ("paths", self.path, method, "responses")
        again.reorder(responses, [str(each["code"]) for each in self.facts["statuses"]])
        return {self.file: str(again), self.folder / SHARED: str(self.shared)}

    def _source(self, day: str) -> None:
        source = self.document["info"]["x-source"]
        for name, value in (("page", self.facts["page"]), ("digest", self.facts["digest"])):
            if source.get(name) != value:
                self.edits.put(("info", "x-source", name), value)
        if source.get("digest") != self.facts["digest"] and source.get("saved") != day:
            self.edits.put(("info", "x-source", "saved"), day)

    def _address(self) -> None:
        if self.facts["method"].lower() != self.method:
            self.edits.rename(("paths", self.path, self.method), self.facts["method"].lower())
        server = self.facts["url"].removesuffix(self.path)
        if server == self.facts["url"]:
            raise CanNotSync(
                f"{self.facts['slug']}: the page's address is {server}; the contract knows {self.path} alone."
            )
        if server != self.document["servers"][0]["url"]:
            self.edits.put(("servers",), [{"url": server}])
        at = ("components", "securitySchemes", "ApiKey")
        if (
            self.shared_document["components"]["securitySchemes"]["ApiKey"]["name"]
            != self.facts["auth_header"]
        ):
            self.shared.put((*at, "name"), self.facts["auth_header"])
        content = self.operation["responses"]["200"]["content"]
        reply = self.facts["reply"].split()
        if list(content) != reply:
            self.edits.put(
                (*self.at_responses, "200", "content"), {kind: content.get(kind, {}) for kind in reply}
            )

    # -- Parameters ---------------------------------------------------------------------------------------

    def _sample(self) -> None:
        old, new = self.schema["x-documented-sample"], self.facts["sample"]
        at = (*self.at_schema, "x-documented-sample")
        if old["language"] != new["language"]:
            self.edits.put((*at, "language"), new["language"])
        _follow(self.edits, (*at, "values"), old["values"], new["values"], list(new["values"]))

    def _attributes(self) -> None:
        old: dict[str, dict[str, Any]] = self.schema["properties"]
        new: dict[str, Facts] = {each["name"]: each for each in self.facts["attributes"]}
        renamed = self._renamed(old, new)
        at = (*self.at_schema, "properties")
        for name in old:
            if name not in new and name not in renamed:
                self.edits.remove((*at, name))
        for name, after in renamed.items():
            self.edits.rename((*at, name), after)
        former = {after: name for name, after in renamed.items()}
        order = [former.get(name, name) for name in new]
        for name, attribute in new.items():
            before = former.get(name, name)
            sampled = self.facts["sample"]["values"].get(name)
            if before in old:
                said = (
                    old[before].get("default"),
                    self.schema["x-documented-sample"]["values"].get(before),
                )
                formerly = tuple(value for value in said if value is not None)
                made = property_of(attribute, sampled, old[before], formerly)
                self._property((*at, before), old[before], made)
            else:
                self.edits.insert((*at, before), property_of(attribute, sampled, {}), order=order)
        required = [name for name, each in new.items() if each.get("required")]
        if set(required) != set(self.schema.get("required", [])):
            self._required(required)

    def _required(self, names: list[str]) -> None:
        at = (*self.at_schema, "required")
        if not names:
            self.edits.remove(at)
        else:
            self.edits.put(at, names, order=("type", "required"))

    def _property(self, at: tuple[str, ...], old: Mapping[str, Any], made: Mapping[str, Any]) -> None:
        if self.edits.is_flow(at):
            ours = {name: value for name, value in old.items() if name in OURS or name not in ORDER}
            if not same({**made, **ours}, dict(old)):
                self.edits.put(at, {**made, **ours})
            return
        decided = {name: value for name, value in old.items() if name in ORDER and name not in OURS}
        if "examples" in decided and not _is_enum(old) and not _is_enum(made):
            made = {**made, "examples": decided["examples"]}  # not the page's, so somebody's own
        _follow(self.edits, at, decided, made, ORDER)

    def _renamed(self, old: Mapping[str, Any], new: Mapping[str, Facts]) -> dict[str, str]:
        """Old names and new ones, where all else that the page says is the same, in the same place."""
        kept = self.folder / "facts" / f"{self.facts['slug']}.json"
        said: list[Facts] = (
            json.loads(kept.read_text(encoding="utf-8"))["attributes"] if kept.is_file() else []
        )
        before: dict[str, Facts] = {each["name"]: each for each in said}
        if list(before) != list(old) or len(before) != len(new):
            return {}
        return {
            name: after
            for (name, was), (after, now) in zip(before.items(), new.items(), strict=True)
            if name not in new and after not in old and {**was, "name": after} == {**now, "name": after}
        }

    # -- Replies ------------------------------------------------------------------------------------------

    def _statuses(self) -> None:
        old: dict[str, Any] = self.operation["responses"]
        new = {str(each["code"]): each for each in self.facts["statuses"]}
        if "200" not in new:
            raise CanNotSync(
                f"{self.facts['slug']}: the page no longer names the status 200. Edit it by hand."
            )
        names: dict[str, str] = {}
        for code in old.keys() - new.keys():
            self.edits.remove((*self.at_responses, code))
        for code, status in new.items():
            at = (*self.at_responses, code)
            if code not in old:
                response = response_of(status, shared_responses(self.folder), headers_of(self.facts))
                self.edits.insert(at, response, order=list(new))
            elif "$ref" not in old[code]:
                if old[code]["x-documented-name"] != status["name"]:
                    self.edits.put((*at, "x-documented-name"), status["name"])
            else:
                names |= self._shared_status(old[code], status)
        at = (*self.at_operation, "x-documented-names")
        if names and names != self.operation.get("x-documented-names"):
            self.edits.put(at, names)
        elif not names and "x-documented-names" in self.operation:
            self.edits.remove(at)

    def _shared_status(self, old: dict[str, str], status: Facts) -> dict[str, str]:
        """Give the name that the page alone has for a status that the pages share, by its code."""
        component = old["$ref"].rpartition("/")[2]
        name = self.shared_document["components"]["responses"][component]["x-documented-name"]
        if name == status["name"]:
            return {}
        named = {
            each["name"]
            for page in self.said.values()
            for each in page["statuses"]
            if each["code"] == status["code"]
        }
        if named != {status["name"]}:
            return {str(status["code"]): status["name"]}
        # All pages say so. The overlay may know it by the name that it had.
        self.shared.put(("components", "responses", component, "x-documented-name"), status["name"])
        return {}

    def _headers(self) -> None:
        """The headers that every reply has: those of the spec's own 200, and of each status beside it."""
        new: list[str] = self.facts["headers"]
        known: dict[str, Any] = self.operation["responses"]["200"].get("headers", {})
        if list(known) == new:
            return
        gone = [name for name in known if name not in new]
        added = [name for name in new if name not in known]
        at = (*self.at_responses, "200", "headers")
        replaced = known[gone[0]] if gone else {"schema": {"type": "string"}}
        if new:
            self.edits.put(at, {name: known.get(name, replaced) for name in new})
        else:
            self.edits.remove(at)
        for component in self.shared.keys(("components", "responses")):
            here = ("components", "responses", component, "headers")
            has = self.shared_document["components"]["responses"][component].get("headers", {})
            more = {name: _local(replaced) for name in added if name not in has}
            if more:
                self.shared.put(here, {**has, **more})


def _is_enum(schema: Mapping[str, Any]) -> bool:
    return schema.get("x-documented-type", "").startswith("enum:")


def _local(node: dict[str, Any]) -> dict[str, Any]:
    """A reference as it stands within the shared file."""
    return {**node, "$ref": node["$ref"].removeprefix(SHARED)} if "$ref" in node else node


def _follow(
    edits: Edited, at: tuple[str, ...], old: Mapping[str, Any], new: Mapping[str, Any], order: Iterable[str]
) -> None:
    """Bring the members of a mapping from the old to the new ones."""
    order = list(order)
    for name in old:
        if name not in new:
            edits.remove((*at, name))
    for name, value in new.items():
        if name not in old or not same(old[name], value):
            edits.put((*at, name), value, order=order)
