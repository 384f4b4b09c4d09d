"""Edit one spec, and the file that all specs share, to match a page."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from segmind_sd3_pipeline.pages.facts import OPERATION_KEYWORDS, recorded_facts
from segmind_sd3_pipeline.pages.new_spec import headers_of, response_of
from segmind_sd3_pipeline.pages.properties import NOT_FROM_PAGE, ORDER, property_of, same_json
from segmind_sd3_pipeline.pages.yaml_editor import YamlEditor
from segmind_sd3_pipeline.spec.documents import read

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

    from segmind_sd3_pipeline.pages.facts import Facts

SHARED: Final = "components.yaml"


class CanNotSync(Exception):
    """The specs can't be made to match a page. `str()` names the reason, and the overlay action or line."""


def shared_responses(folder: Path) -> dict[str, str]:
    """Return the components that specs refer to for a status, by its code and name: `401 Unauthorized`."""
    components = read(folder / SHARED)["components"]["responses"]
    found: dict[str, str] = {}
    for file in sorted(folder.glob("*.yaml")):
        for item in read(file).get("paths", {}).values():
            for operation in item.values():
                for code, response in operation["responses"].items():
                    if name := response.get("$ref", "").rpartition("/")[2]:
                        found[f"{code} {components[name]['x-documented-name']}"] = name
    return found


class SpecEditor:
    """Collect the edits that make one spec match its page."""

    def __init__(
        self, facts: Facts, document: dict[str, Any], text: str, folder: Path, pages: Mapping[str, Facts]
    ) -> None:
        self.facts, self.document, self.folder, self.pages = facts, document, folder, pages
        self.file = folder / f"{facts['slug']}.yaml"
        self.edits = YamlEditor(text)
        self.shared = YamlEditor((folder / SHARED).read_text(encoding="utf-8"))
        self.shared_document = read(folder / SHARED)
        (self.path,) = document["paths"]
        ((self.method, self.operation),) = document["paths"][self.path].items()
        body = self.operation["requestBody"]["content"]["application/json"]["schema"]
        self.model = body["$ref"].rpartition("/")[2]
        self.schema = document["components"]["schemas"][self.model]
        self.at_schema = ("components", "schemas", self.model)
        self.at_operation = ("paths", self.path, self.method)
        self.at_responses = (*self.at_operation, "responses")

    def edited_texts(self, day: str) -> dict[Path, str]:
        """Return the texts of the spec and of the shared file, with all edits applied."""
        self._edit_source(day)
        self._edit_address()
        self._edit_stated()
        self._edit_sample()
        self._edit_attributes()
        if "statuses" in self.facts:
            self._edit_statuses()
        self._edit_headers()
        # New keys have their place only in the edited text, so order is restored in a second pass.
        second_pass = YamlEditor(str(self.edits))
        second_pass.reorder(
            (*self.at_schema, "properties"), [each["name"] for each in self.facts["attributes"]]
        )
        method = self.facts["method"].lower()
        responses = ("paths", self.path, method, "responses")
        codes = [str(each["code"]) for each in self.facts.get("statuses", ())]
        second_pass.reorder(responses, codes if "200" in codes else ["200", *codes])
        return {self.file: str(second_pass), self.folder / SHARED: str(self.shared)}

    def _edit_source(self, day: str) -> None:
        source = self.document["info"]["x-source"]
        for name, value in (("page", self.facts["page"]), ("digest", self.facts["digest"])):
            if source.get(name) != value:
                self.edits.put(("info", "x-source", name), value)
        if source.get("digest") != self.facts["digest"] and source.get("saved") != day:
            self.edits.put(("info", "x-source", "saved"), day)

    def _edit_address(self) -> None:
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
        known = self.shared_document["components"]["securitySchemes"]["ApiKey"]["name"]
        if self.facts.get("auth_header", known) != known:
            self.shared.put((*at, "name"), self.facts["auth_header"])
        content = self.operation["responses"]["200"]["content"]
        reply = self.facts.get("reply", " ".join(content)).split()
        if list(content) != reply:
            self.edits.put(
                (*self.at_responses, "200", "content"), {kind: content.get(kind, {}) for kind in reply}
            )

    def _edit_stated(self) -> None:
        """Edit what the page states of the operation as a whole."""
        for fact, keyword in OPERATION_KEYWORDS.items():
            at = (*self.at_operation, keyword)
            if fact not in self.facts and keyword in self.operation:
                self.edits.remove(at)
            elif fact in self.facts and self.operation.get(keyword) != self.facts[fact]:
                self.edits.put(at, self.facts[fact])

    # -- Parameters ---------------------------------------------------------------------------------------

    def _edit_sample(self) -> None:
        old, new = self.schema["x-documented-sample"], self.facts["sample"]
        at = (*self.at_schema, "x-documented-sample")
        if old["language"] != new["language"]:
            self.edits.put((*at, "language"), new["language"])
        _edit_members(self.edits, (*at, "values"), old["values"], new["values"], list(new["values"]))

    def _edit_attributes(self) -> None:
        old: dict[str, dict[str, Any]] = self.schema["properties"]
        new: dict[str, Facts] = {each["name"]: each for each in self.facts["attributes"]}
        renamed = self._renamed_parameters(old, new)
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
                previous = (
                    old[before].get("default"),
                    self.schema["x-documented-sample"]["values"].get(before),
                )
                previous_values = tuple(value for value in previous if value is not None)
                made = property_of(attribute, sampled, old[before], previous_values)
                self._edit_property((*at, before), old[before], made)
            else:
                self.edits.insert((*at, before), property_of(attribute, sampled, {}), order=order)
        required = [name for name, each in new.items() if each.get("required")]
        if set(required) != set(self.schema.get("required", [])):
            self._edit_required(required)

    def _edit_required(self, names: list[str]) -> None:
        at = (*self.at_schema, "required")
        if not names:
            self.edits.remove(at)
        else:
            self.edits.put(at, names, order=("type", "required"))

    def _edit_property(self, at: tuple[str, ...], old: Mapping[str, Any], made: Mapping[str, Any]) -> None:
        if self.edits.is_flow(at):
            own = {name: value for name, value in old.items() if name in NOT_FROM_PAGE or name not in ORDER}
            if not same_json({**made, **own}, dict(old)):
                self.edits.put(at, {**made, **own})
            return
        from_page = {
            name: value for name, value in old.items() if name in ORDER and name not in NOT_FROM_PAGE
        }
        if "examples" in from_page and not _is_enum(old) and not _is_enum(made):
            made = {**made, "examples": from_page["examples"]}  # written by hand, not from the page
        _edit_members(self.edits, at, from_page, made, ORDER)

    def _renamed_parameters(self, old: Mapping[str, Any], new: Mapping[str, Facts]) -> dict[str, str]:
        """Return new names by old ones: a renamed parameter differs in name alone, at the same position."""
        recorded = recorded_facts(self.folder, self.facts["slug"]) or {"attributes": []}
        before: dict[str, Facts] = {each["name"]: each for each in recorded["attributes"]}
        if list(before) != list(old) or len(before) != len(new):
            return {}
        return {
            name: after
            for (name, was), (after, now) in zip(before.items(), new.items(), strict=True)
            if name not in new and after not in old and {**was, "name": after} == {**now, "name": after}
        }

    # -- Replies ------------------------------------------------------------------------------------------

    def _edit_statuses(self) -> None:
        old: dict[str, Any] = self.operation["responses"]
        new = {str(each["code"]): each for each in self.facts["statuses"]}
        if "x-documented-name" not in old["200"]:
            old = {code: response for code, response in old.items() if code != "200"}
        elif "200" not in new:
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
                names |= self._page_name(old[code], status)
        at = (*self.at_operation, "x-documented-names")
        if names and names != self.operation.get("x-documented-names"):
            self.edits.put(at, names)
        elif not names and "x-documented-names" in self.operation:
            self.edits.remove(at)

    def _page_name(self, old: dict[str, str], status: Facts) -> dict[str, str]:
        """Return the page's own name for a shared status, by its code. It is empty if the pages agree."""
        component = old["$ref"].rpartition("/")[2]
        name = self.shared_document["components"]["responses"][component]["x-documented-name"]
        if name == status["name"]:
            return {}
        names = {
            each["name"]
            for page in self.pages.values()
            for each in page.get("statuses", ())
            if each["code"] == status["code"]
        }
        if names != {status["name"]}:
            return {str(status["code"]): status["name"]}
        # All pages agree on the new name. An overlay action may expect the old one: the sync is then refused.
        self.shared.put(("components", "responses", component, "x-documented-name"), status["name"])
        return {}

    def _edit_headers(self) -> None:
        """Edit the headers of the spec's 200 and of each shared status."""
        if "headers" not in self.facts:
            return
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
    """Return a reference as the shared file itself writes it."""
    return {**node, "$ref": node["$ref"].removeprefix(SHARED)} if "$ref" in node else node


def _edit_members(
    edits: YamlEditor,
    at: tuple[str, ...],
    old: Mapping[str, Any],
    new: Mapping[str, Any],
    order: Iterable[str],
) -> None:
    """Replace the old members of a mapping by the new ones."""
    order = list(order)
    for name in old:
        if name not in new:
            edits.remove((*at, name))
    for name, value in new.items():
        if name not in old or not same_json(old[name], value):
            edits.put((*at, name), value, order=order)
