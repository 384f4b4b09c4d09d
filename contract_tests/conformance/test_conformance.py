"""The suite as a product: what it says of good servers and of bad ones, what it plans, and what it costs."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest
from segmind_sd3_contract.conformance.bodies import endpoints
from segmind_sd3_contract.conformance.cases import beside, cases, deviation, pairs
from segmind_sd3_contract.conformance.inprocess import KEY, PENNILESS
from segmind_sd3_contract.conformance.judging import packaged
from segmind_sd3_contract.conformance.prices import Prices, pictures
from segmind_sd3_contract.conformance.probes import PROBES
from segmind_sd3_contract.conformance.relations import about_a_default
from segmind_sd3_contract.conformance.report import words
from segmind_sd3_contract.conformance.results import TIERS
from segmind_sd3_contract.conformance.running import SMOKE_PAID, Plan, planned
from segmind_sd3_contract.conformance.sending import Pace
from segmind_sd3_contract.conformance.session import Session, Settings
from segmind_sd3_contract.conformance.target import Target
from segmind_sd3_contract.quirks import quirks
from segmind_sd3_contract.reference import PROFILES, Answer, Profile, ReferenceServer, Request

if TYPE_CHECKING:
    from collections.abc import Callable

    from segmind_sd3_contract.conformance.results import Outcome, Run, Tier

pytestmark = pytest.mark.slow

TURBO, TILE, LARGE = "sd35_turbo_txt2img", "sd3_medium_tile", "sd3_large_img2img"
MEDIUM = "sd3_medium_txt2img"
RICH = 10_000.0
READINGS = packaged(exact=True)


def tried(
    server: ReferenceServer,
    *,
    tier: Tier = "full",
    strict: bool = False,
    only: str = "*",
    seed: int = 0,
    shared_account: bool = False,
) -> Run:
    """Run the suite in-process."""
    target = Target("http://reference.invalid", KEY, PENNILESS)
    settings = Settings(target.url, server.profile, tier, seed, strict, only, shared_account=shared_account)
    with Session(target, settings, Prices.read(), transport=server.transport()) as session:
        return session.run(Pace(), lambda _: None)


def good(profile: Profile = "observed") -> ReferenceServer:
    return ReferenceServer(profile, RICH, keys=[KEY], penniless=[PENNILESS])


def altered(change: Callable[[Answer, Request], Answer], profile: Profile = "observed") -> ReferenceServer:
    """A good server whose answers are changed."""

    class Altered(ReferenceServer):
        def answer(self, request: Request) -> Answer:
            return change(super().answer(request), request)

    return Altered(profile, RICH, keys=[KEY], penniless=[PENNILESS])


def verdict(run: Run, case: str) -> Outcome:
    (outcome,) = (outcome for outcome in run.outcomes if outcome.id == case)
    return outcome


def probed(run: Run) -> dict[str, str]:
    return {row.quirk: row.probed for row in run.ledger}


def broken(run: Run) -> set[str]:
    return {outcome.id for outcome in run.outcomes if outcome.verdict == "broken"}


@pytest.fixture(scope="module", params=PROFILES)
def whole(request: pytest.FixtureRequest) -> Run:
    """A whole run against a good server of each profile."""
    return tried(good(request.param), tier="thorough")


# -- A good server ----------------------------------------------------------------------------------------


def test_a_good_server_breaks_nothing(whole: Run):
    assert broken(whole) == set()
    assert (whole.exit_code, whole.stopped) == (0, None)


def test_each_case_of_a_whole_run_is_decided(whole: Run):
    assert whole.counts()["not run"] == 0


def test_a_whole_run_exercises_what_the_pages_state_and_a_call_can_bring_about(whole: Run):
    documented, _ = words.coverage(whole)

    assert documented.missing.keys() == set()
    assert set(documented.out_of_reach) == {"500 status: came", "500 header x-remaining-credits: came"}
    assert documented.exercised == documented.within_reach


def test_a_server_that_obeys_the_pages_deviates_from_nothing():
    assert tried(good("documented"), strict=True, only=f"{TURBO}::*").exit_code == 0


def test_strictly_a_known_deviation_is_broken():
    run = tried(good("observed"), strict=True, only=f"{TURBO}::steps::min-1")

    assert verdict(run, f"{TURBO}::steps::min-1").verdict == "broken"


def test_a_known_deviation_is_named_by_its_row():
    run = tried(good("observed"), only=f"{TURBO}::steps::min-1")
    outcome = verdict(run, f"{TURBO}::steps::min-1")

    assert (outcome.verdict, outcome.deviation) == ("known deviation", "steps-default-below-minimum")


def test_a_new_failure_beside_a_known_deviation_is_still_broken():
    def without_a_balance(answer: Answer, _: Request) -> Answer:
        return answer.with_headers(x_remaining_credits=None)

    run = tried(altered(without_a_balance), only=f"{TURBO}::steps::min-1")

    assert verdict(run, f"{TURBO}::steps::min-1").verdict == "broken"


def test_what_the_pages_leave_open_is_never_held(whole: Run):
    is_open = {case.id for case in cases(READINGS) if case.is_open}

    assert is_open
    assert {outcome.verdict for outcome in whole.outcomes if outcome.id in is_open} == {"open"}


def test_another_seed_of_a_run_sends_other_seeds():
    first, second = (tried(good(), only=f"{TURBO}::(call)::good", seed=seed) for seed in (0, 1))

    assert set(first.exchanges) & set(second.exchanges) == set(first.exchanges) - {
        name for name in first.exchanges if name.startswith(TURBO)
    }


# -- Bad servers ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("status", [401, 404, 406, 500, 503, 200])
def test_a_server_that_answers_everything_alike_is_found_out(status: int):
    class Alike(ReferenceServer):
        def answer(self, request: Request) -> Answer:
            told = {"x-remaining-credits": "10", "x-reference-server": request.method}
            return Answer(status, told, b"").with_json({"error": "No"})

    run = tried(Alike(), tier="smoke")

    assert run.exit_code == {401: 2, 503: 3}.get(status, 1)


def test_a_server_that_says_it_has_no_credits_and_tells_a_balance_stops_the_run_and_is_broken():
    server = good()
    server.provoke("406-not-only-credits:credits", times=None, operation=TILE)

    run = tried(server)

    assert run.stopped is not None
    assert "no credits" in run.stopped
    assert run.exit_code == 3
    assert any(each.operation == TILE for each in run.outcomes if each.verdict == "broken")


def test_an_account_without_credits_stops_the_run_and_breaks_nothing():
    run = tried(ReferenceServer("observed", 0.0, keys=[KEY], penniless=[PENNILESS]), tier="smoke")

    assert (run.exit_code, broken(run)) == (3, set())
    assert "no credits" in (run.stopped or "")


def test_what_is_broken_does_not_outrank_what_could_not_be_judged():
    server = good()
    server.provoke("garbage", operation=TURBO)
    server.provoke("no-retry-after:iso", operation=TILE)

    run = tried(server, tier="smoke")

    assert (run.counts()["broken"], run.counts()["inconclusive"], run.exit_code) == (1, 1, 3)


def test_a_server_that_always_sends_the_same_picture_is_found_out():
    first: list[bytes] = []

    def same(answer: Answer, _: Request) -> Answer:
        if answer.status != 200 or not answer.headers.get("content-type", "").startswith("image/"):
            return answer
        first.append(answer.body)
        return replace(answer, body=first[0])

    run = tried(altered(same), only=f"{TILE}::*")

    assert run.exit_code == 1
    assert verdict(run, f"{TILE}::seed::another").verdict == "broken"


def test_an_endpoint_that_is_gone_is_one_finding_and_the_others_go_on():
    server = good()
    server.provoke("status:410", times=None, operation=TILE)

    run = tried(server, tier="smoke")

    assert broken(run) == {f"{TILE}::(call)::good"}
    assert verdict(run, f"{LARGE}::(call)::good").verdict == "held"


def test_a_rate_limit_is_inconclusive_and_leaves_the_run_incomplete():
    server = good()
    server.provoke("no-retry-after:iso", operation=TURBO)

    run = tried(server, only=f"{TURBO}::(call)::good")

    assert verdict(run, f"{TURBO}::(call)::good").verdict == "inconclusive"
    assert run.exit_code == 3


@pytest.mark.parametrize(
    ("change", "case"),
    [
        ({"x_cost": "0.5"}, "(account)::x-cost=fall"),
        ({"x_remaining_credits": "plenty"}, "(call)::good"),
        ({"x_seed_value": "1"}, "seed::told"),
        ({"content_type": "image/png"}, "(call)::good"),
    ],
    ids=str,
)
def test_a_header_that_lies_is_found_out(change: dict[str, str], case: str):
    def lying(answer: Answer, _: Request) -> Answer:
        return answer.with_headers(**change) if "x-cost" in answer.headers else answer

    run = tried(altered(lying), only=f"{TURBO}::*")

    assert verdict(run, f"{TURBO}::{case}").verdict == "broken"


def others_draw_too(answer: Answer, request: Request) -> Answer:
    """The balance of a busy account: it falls whatever we do."""
    left = RICH - len(request.body) / 1000 - float(answer.headers.get("x-cost", 0))
    return answer.with_headers(x_remaining_credits=str(left))


@pytest.mark.parametrize(("shared", "expected"), [(False, "broken"), (True, "held")])
def test_the_fall_of_a_balance_that_others_use_is_not_judged(shared: bool, expected: str):  # noqa: FBT001 - a parameter
    run = tried(altered(others_draw_too), tier="smoke", only=f"{TILE}::*", shared_account=shared)

    assert verdict(run, f"{TILE}::(account)::x-cost=fall").verdict == expected


# -- Cases ------------------------------------------------------------------------------------------------


def test_each_case_has_an_id_of_its_own():
    names = [case.id for case in cases(READINGS)]

    assert len(set(names)) == len(names) > 800


def test_each_bound_of_the_pages_is_tried_at_it_and_a_step_beside_it():
    tried_values: dict[tuple[str, str], list[object]] = {}
    for case in cases(READINGS):
        body: Any = case.calls[0].body
        if body:
            tried_values.setdefault((case.operation, case.group), []).append(body.get(case.group))

    for endpoint in endpoints(READINGS.pages):
        for name, schema in endpoint.properties.items():
            for _, value in beside(schema):
                assert value in tried_values[endpoint.operation, name]


def test_whatever_was_observed_in_place_of_a_page_has_its_row_in_the_quirk_table():
    differing = [
        (endpoint, name)
        for endpoint in endpoints(READINGS.pages)
        for name, schema in endpoint.properties.items()
        if READINGS.observed.schema(endpoint.operation)["properties"][name] != schema
    ]

    assert differing
    assert {deviation(endpoint, name) for endpoint, name in differing} <= quirks().keys()


def test_each_row_of_the_quirk_table_has_a_probe():
    assert PROBES.keys() == quirks().keys()


@pytest.mark.parametrize(
    ("profile", "expected"), [("documented", "as documented"), ("observed", "as observed")]
)
@pytest.mark.parametrize("row", ["steps-default-below-minimum", "sampler-required-no-values"])
def test_a_probe_tells_a_server_that_obeys_the_pages_from_one_that_does_not(
    row: str, profile: Profile, expected: str
):
    run = tried(good(profile), only=f"{TURBO}::*")

    assert probed(run)[row] == expected


def test_a_call_without_a_sampler_is_open_or_held_by_what_the_server_makes_of_it():
    case = f"{TURBO}::sampler::missing"
    servers = (good("observed"), ReferenceServer("observed", RICH, keys=[KEY], strict_required=True))

    assert [verdict(tried(server, only=case), case).verdict for server in servers] == ["open", "held"]


def test_a_call_that_does_not_say_base64_and_gets_json_is_broken_and_the_row_says_neither():
    server = good()
    server.provoke("base64-default-1:json", times=None)
    case = f"{TURBO}::base64::omitted=default"

    run = tried(server, only=case)

    assert verdict(run, case).verdict == "broken"
    assert probed(run)["base64-default-1"] == "neither"


@pytest.mark.parametrize(
    ("row", "only"),
    [
        ("count-without-bounds", "*::samples::none"),
        ("blank-prompt", f"{TURBO}::prompt::blank"),
        ("reversed-timestep-range", "*::conditioningsettimesteprange_start::reversed"),
        ("prompt-default-1", "*::prompt::omitted"),
        ("strength-both-ways", "*::strength::m*"),
    ],
)
def test_what_no_page_rules_out_is_tried_and_is_open(row: str, only: str):
    run = tried(good("observed"), only=only)

    assert probed(run)[row] == "as documented"


@pytest.mark.parametrize(
    ("row", "only"),
    [
        ("count-without-bounds", "*::samples::none"),
        ("blank-prompt", f"{TURBO}::prompt::blank"),
        ("reversed-timestep-range", "*::conditioningsettimesteprange_start::reversed"),
    ],
)
def test_a_server_that_refuses_what_no_page_rules_out_breaks_nothing_and_the_row_says_neither(
    row: str, only: str
):
    server = good()
    server.fail_next(400, "Invalid value", times=None)

    run = tried(server, only=only)

    assert broken(run) == set()
    assert probed(run)[row] == "neither"


def test_which_way_strength_goes_is_told_of_each_endpoint_that_says_both():
    (row,) = (
        each for each in tried(good(), only="*::strength::m*").ledger if each.quirk == "strength-both-ways"
    )

    assert "less like the input on sd3_medium_img2img, more like the input on sd3_medium_tile" in row.why


def test_no_pair_of_options_has_a_reversed_range():
    (medium,) = (each for each in endpoints(READINGS.pages) if each.operation == MEDIUM)
    start, stop = "conditioningsettimesteprange_start", "conditioningsettimesteprange_stop"

    bodies: list[Any] = [case.calls[0].body for case in pairs(medium)]

    assert {body[start] for body in bodies} == {0.1, 1}
    assert all(body[start] <= body.get(stop, 1) for body in bodies)


def test_what_a_run_did_not_send_is_not_probed():
    run = tried(good(), only=f"{TURBO}::(call)::good")

    assert probed(run)["several-images"] == "not probed"


# -- Plans ------------------------------------------------------------------------------------------------


def plan(tier: Tier, *, live: bool = False) -> Plan:
    return planned(READINGS, Prices.read(), can_send=lambda _: True, tier=tier, live=live)


def test_the_smallest_run_pays_for_five_calls_at_most():
    smallest = plan("smoke")

    assert 0 < sum(call.may_draw for call in smallest.calls().values()) <= SMOKE_PAID


def test_each_tier_has_what_the_smaller_one_has():
    smoke, boundary, full, thorough = ({case.id for case in plan(tier).cases} for tier in TIERS)

    assert smoke < boundary < full < thorough


def test_the_cheapest_calls_come_first():
    ordered = plan("full")
    prices = [sum(ordered.worst[call.name] for call in case.calls) for case in ordered.cases]

    assert prices == sorted(prices)


def test_a_live_call_asks_for_two_pictures_at_most_and_what_asks_for_more_says_why():
    live = plan("full", live=True)

    properties = {each.operation: each.properties for each in endpoints(READINGS.pages)}
    asked = [pictures(call, properties.get(call.operation, {})) for call in live.calls().values()]
    assert max(asked) == 2
    assert any("more than 2 pictures" in why for _, why in live.left_out)


def test_a_call_that_is_to_be_refused_is_priced_as_if_it_drew():
    (case,) = (case for case in cases(READINGS) if case.id == f"{TURBO}::batch_size::max+1")

    assert Prices.read().worst(case.calls[0], READINGS.pages) == pytest.approx(11 * 0.0035)


def test_an_omitted_count_is_priced_as_its_default():
    (endpoint,) = (each for each in endpoints(READINGS.pages) if each.operation == TURBO)

    assert pictures(endpoint.without("batch_size"), {"batch_size": {"default": 4}}) == 4
    assert pictures(endpoint.call(batch_size=2), {"batch_size": {"default": 4}}) == 2


def test_a_good_call_draws_one_picture_where_an_omitted_count_means_several():
    (endpoint,) = (each for each in endpoints(READINGS.pages) if each.operation == TURBO)
    properties = {**endpoint.properties, "batch_size": {"type": "integer", "default": 4}}
    changed = replace(endpoint, schema={**endpoint.schema, "properties": properties})

    assert (changed.base()["batch_size"], "batch_size" in endpoint.base()) == (1, False)


def test_a_negative_seed_as_default_may_be_random_so_two_calls_without_one_may_differ():
    (endpoint,) = (each for each in endpoints(READINGS.pages) if each.operation == TURBO)
    properties = {**endpoint.properties, "seed": {"type": "integer", "default": -1}}
    changed = replace(endpoint, schema={**endpoint.schema, "properties": properties})

    (case,) = about_a_default(changed, "seed")

    assert case.is_open
    assert len(case.calls) == 1


def test_more_steps_and_pixels_cost_as_many_times_more():
    (endpoint,) = (each for each in endpoints(READINGS.pages) if each.operation == TURBO)
    call = endpoint.call(steps=40, width=2048, height=2048, batch_size=2)

    assert Prices.read().worst(call, READINGS.pages) == pytest.approx(0.0035 * 10 * 4 * 2)


def test_a_second_key_is_needed_for_the_case_without_credits_and_that_is_said():
    without = planned(READINGS, Prices.read(), can_send=lambda call: call.auth != "penniless")

    assert {case.place for case, why in without.left_out if "second key" in why} == {"no-credits"}
