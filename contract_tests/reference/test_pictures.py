"""What the reference server draws: real pictures, as asked for, and the same for the same request."""

import base64
import json
from collections.abc import Callable
from io import BytesIO
from typing import Any

import pytest
from PIL import Image, ImageChops, ImageStat
from segmind_sd3_contract.reference import Operation, ReferenceServer, Request, example_body, example_request
from segmind_sd3_contract.reference.pictures import Gallery

CONTRACT = {each.operation_id: each for each in ReferenceServer().operations.values()}
TURBO = CONTRACT["sd35_turbo_txt2img"]
MEDIUM = CONTRACT["sd3_medium_txt2img"]
LARGE = CONTRACT["sd3_large_img2img"]
FROM_AN_INPUT = [each for each in CONTRACT.values() if "image" in each.properties]
SEEDED = [each for each in CONTRACT.values() if "seed" in each.properties]
ABOUT_ENCODING = {"base64", "image_format", "output_format", "image_quality", "samples", "batch_size"}


def name(operation: Operation) -> str:
    return operation.operation_id


def name_or_parameter(each: Operation | str) -> str:
    return each if isinstance(each, str) else each.operation_id


@pytest.fixture
def server() -> ReferenceServer:
    return ReferenceServer(credits=1000.0)


def body_of(server: ReferenceServer, operation: Operation, **values: Any) -> bytes:
    answer = server.answer(example_request(operation, **values))
    assert answer.status == 200, answer.body
    return answer.body


def pictures_of(server: ReferenceServer, operation: Operation, **values: Any) -> list[bytes]:
    image = json.loads(body_of(server, operation, base64=True, **values))["image"]
    return [base64.b64decode(each) for each in ([image] if isinstance(image, str) else image)]


def opened(data: bytes) -> Image.Image:
    image = Image.open(BytesIO(data))
    image.load()
    return image


def input_picture(
    size: tuple[int, int] = (96, 64), file_format: str = "PNG", mode: str = "RGB", **saved: Any
) -> str:
    image = Image.radial_gradient("L").resize(size)  # pyright: ignore[reportUnknownMemberType]  # its types name numpy
    image = image.convert("I").convert(mode) if mode == "I;16" else image.convert(mode)
    file = BytesIO()
    image.save(file, file_format, **saved)
    return base64.b64encode(file.getvalue()).decode()


def distance(one: bytes, other: bytes) -> float:
    """Mean difference of two pictures of one size, in grey levels."""
    difference = ImageChops.difference(opened(one).convert("RGB"), opened(other).convert("RGB"))
    return sum(ImageStat.Stat(difference).mean)


# --- size, format, quality


@pytest.mark.parametrize("size", [(64, 64), (65, 130), (640, 96), (1024, 1024), (64, 2048)])
def test_turbo_draws_the_size_that_width_and_height_ask_for(server: ReferenceServer, size: tuple[int, int]):
    assert opened(body_of(server, TURBO, width=size[0], height=size[1])).size == size


def test_medium_draws_the_size_that_its_own_names_ask_for(server: ReferenceServer):
    assert opened(body_of(server, MEDIUM, img_width=520, img_height=768)).size == (520, 768)


@pytest.mark.parametrize("operation", [TURBO, MEDIUM], ids=name)
def test_without_a_size_the_picture_has_the_documented_one(server: ReferenceServer, operation: Operation):
    request = Request(
        "POST",
        operation.path,
        example_request(operation).headers,
        json.dumps(example_body(operation)).encode(),
    )
    assert opened(server.answer(request).body).size == (1024, 1024)


@pytest.mark.parametrize("ratio", ["1:1", "2:3", "16:9", "9:16", "4:3", "3:4", "21:9"])
def test_an_aspect_ratio_draws_about_a_megapixel_of_that_shape_in_multiples_of_64(
    server: ReferenceServer, ratio: str
):
    width, height = opened(body_of(server, TURBO, aspect_ratio=ratio)).size
    across, down = map(int, ratio.split(":"))
    assert (width % 64, height % 64) == (0, 0)
    assert width / height == pytest.approx(across / down, rel=0.12)
    assert width * height == pytest.approx(1024 * 1024, rel=0.12)


def test_width_and_height_count_only_with_a_custom_aspect_ratio(server: ReferenceServer):
    narrow, wide = (body_of(server, TURBO, aspect_ratio="1:1", width=each) for each in (64, 128))
    assert narrow == wide


def test_an_aspect_ratio_that_is_none_leaves_the_size_to_width_and_height(server: ReferenceServer):
    assert opened(body_of(server, TURBO, aspect_ratio="square", width=96, height=64)).size == (96, 64)


@pytest.mark.parametrize(
    "field", [(TURBO, "image_format"), (LARGE, "output_format")], ids=lambda field: field[1]
)
@pytest.mark.parametrize("file_format", ["jpeg", "png", "webp"])
def test_the_picture_has_the_format_asked_for_and_says_so(
    server: ReferenceServer, field: tuple[Operation, str], file_format: str
):
    operation, parameter = field
    answer = server.answer(example_request(operation, **{parameter: file_format}))
    assert (opened(answer.body).format, answer.headers["content-type"]) == (
        file_format.upper(),
        f"image/{file_format}",
    )


def test_an_unknown_format_draws_a_jpeg(server: ReferenceServer):
    assert opened(body_of(server, TURBO, image_format="tiff")).format == "JPEG"


@pytest.mark.parametrize("file_format", ["jpeg", "webp"])
def test_more_quality_is_nearer_to_the_lossless_picture_and_larger(server: ReferenceServer, file_format: str):
    lossless = body_of(server, TURBO, image_format="png", width=256, height=256)
    drawn = [
        body_of(server, TURBO, image_format=file_format, image_quality=quality, width=256, height=256)
        for quality in (10, 60, 100)
    ]
    assert sorted(drawn, key=len) == drawn
    assert sorted(drawn, key=lambda each: -distance(each, lossless)) == drawn


# --- the same, and another


@pytest.mark.parametrize("operation", SEEDED, ids=name)
def test_the_same_request_draws_the_same_bytes_on_another_server_too(
    server: ReferenceServer, operation: Operation
):
    assert body_of(server, operation, seed=7) == body_of(ReferenceServer(seed=99), operation, seed=7)


@pytest.mark.parametrize("operation", SEEDED, ids=name)
def test_another_seed_draws_another_picture(server: ReferenceServer, operation: Operation):
    assert body_of(server, operation, seed=7) != body_of(server, operation, seed=8)


@pytest.mark.parametrize("operation", SEEDED, ids=name)
def test_seed_0_is_a_seed(server: ReferenceServer, operation: Operation):
    answer = server.answer(example_request(operation, seed=0))
    assert answer.headers["x-seed-value"] == "0"


@pytest.mark.parametrize("operation", SEEDED, ids=name)
def test_seed_minus_1_draws_a_random_seed_and_names_it(server: ReferenceServer, operation: Operation):
    first, second = (server.answer(example_request(operation, seed=-1)) for _ in range(2))
    assert first.headers["x-seed-value"] != second.headers["x-seed-value"]
    assert first.body == body_of(server, operation, seed=int(first.headers["x-seed-value"]))


def test_the_servers_seed_decides_the_random_ones():
    first, second = (ReferenceServer(seed=5).answer(example_request(MEDIUM, seed=-1)) for _ in range(2))
    assert first.headers["x-seed-value"] == second.headers["x-seed-value"]


def test_large_has_no_seed_to_send_and_names_one_that_is_always_the_same_for_the_same_request(
    server: ReferenceServer,
):
    seeds = {
        server.answer(example_request(LARGE, base64=each)).headers["x-seed-value"]
        for each in (True, False, False)
    }
    assert len(seeds) == 1


def another_value(operation: Operation, parameter: str) -> object:
    """Give a value that is as good as the default, and not the default."""
    schema = operation.properties[parameter]
    if schema.get("x-documented-type") == "image":
        return input_picture((48, 32))
    if "enum" in schema:
        return schema["enum"][-1]
    if schema["type"] == "string":
        return "2:3" if parameter == "aspect_ratio" else "another"
    low, high = schema.get("minimum", 0), schema.get("maximum", 99)
    step = schema.get("multipleOf", 1 if schema["type"] == "integer" else 0.25)
    return next(
        value for value in (low + step, low + 2 * step, high) if value != operation.defaults[parameter]
    )


@pytest.mark.parametrize(
    ("operation", "parameter"),
    [(each, one) for each in CONTRACT.values() for one in each.properties if one not in ABOUT_ENCODING],
    ids=name_or_parameter,
)
def test_each_parameter_that_is_not_about_encoding_changes_the_picture(
    server: ReferenceServer, operation: Operation, parameter: str
):
    fixed = {"seed": 7} if operation in SEEDED else {}
    changed = fixed | {parameter: another_value(operation, parameter)}
    assert body_of(server, operation, **fixed) != body_of(server, operation, **changed)


def test_a_parameter_that_nobody_knows_is_let_through_and_changes_the_picture(server: ReferenceServer):
    assert body_of(server, TURBO, shimmer=1) != body_of(server, TURBO, shimmer=2)


@pytest.mark.parametrize("operation", CONTRACT.values(), ids=name)
def test_base64_leaves_the_picture_as_it_is(server: ReferenceServer, operation: Operation):
    fixed = {"seed": 7} if operation in SEEDED else {}
    assert pictures_of(server, operation, **fixed) == [body_of(server, operation, base64=False, **fixed)]


@pytest.mark.parametrize(
    ("operation", "parameter"),
    [
        (each, one)
        for each in CONTRACT.values()
        for one in each.defaults
        if one not in each.required and each.defaults[one] != -1
    ],
    ids=name_or_parameter,
)
def test_an_omitted_parameter_and_its_documented_default_draw_the_same(
    server: ReferenceServer, operation: Operation, parameter: str
):
    small = {"width": 64, "height": 64} if operation is TURBO else {}
    fixed = small | ({"seed": 7} if operation in SEEDED else {})
    fixed.pop(parameter, None)
    said = json.loads(example_request(operation, **fixed).body)
    said.pop(parameter, None)
    answers = [
        server.answer(
            Request("POST", operation.path, example_request(operation).headers, json.dumps(body).encode())
        )
        for body in (said, said | {parameter: operation.defaults[parameter]})
    ]
    assert [each.status for each in answers] == [200, 200]
    assert answers[0].body == answers[1].body


def test_turbo_without_steps_draws_with_4(server: ReferenceServer):
    assert body_of(server, TURBO) == body_of(server, TURBO, steps=4)


def test_whole_numbers_draw_the_same_with_and_without_a_point(server: ReferenceServer):
    assert body_of(server, TURBO, steps=10, guidance_scale=3) == body_of(
        server, TURBO, steps=10.0, guidance_scale=3.0
    )


# --- several


@pytest.mark.parametrize(("operation", "count"), [(TURBO, "batch_size"), (MEDIUM, "samples")])
def test_several_pictures_are_those_of_the_seeds_that_follow(
    server: ReferenceServer, operation: Operation, count: str
):
    assert pictures_of(server, operation, seed=7, **{count: 3}) == [
        picture for seed in (7, 8, 9) for picture in pictures_of(server, operation, seed=seed)
    ]


def test_several_pictures_of_large_would_need_a_parameter_that_it_does_not_have(server: ReferenceServer):
    assert len(pictures_of(server, LARGE, samples=3)) == 1


def test_several_pictures_without_base64_are_the_first_alone(server: ReferenceServer):
    assert body_of(server, TURBO, batch_size=3) == body_of(server, TURBO)


@pytest.mark.parametrize(("asked", "drawn"), [(-5, 1), (0, 1), (10**30, 16)])
def test_a_count_that_no_page_bounds_is_kept_between_1_and_16(
    server: ReferenceServer, asked: int, drawn: int
):
    assert len(pictures_of(server, CONTRACT["sd3_medium_img2img"], samples=asked)) == drawn


# --- made of an input


@pytest.mark.parametrize("operation", FROM_AN_INPUT, ids=name)
def test_a_picture_made_of_an_input_has_its_size(server: ReferenceServer, operation: Operation):
    assert opened(body_of(server, operation, image=input_picture((97, 41)))).size == (97, 41)


@pytest.mark.parametrize(("size", "fitted"), [((2500, 500), (2048, 410)), ((10, 4096), (5, 2048))])
def test_an_input_is_fitted_into_2048_pixels(
    server: ReferenceServer, size: tuple[int, int], fitted: tuple[int, int]
):
    assert opened(body_of(server, LARGE, image=input_picture(size))).size == fitted


def test_an_input_is_turned_as_its_exif_data_says(server: ReferenceServer):
    exif = Image.Exif()
    exif[0x0112] = 6
    picture = input_picture((96, 32), "JPEG", exif=exif)
    assert opened(body_of(server, LARGE, image=picture)).size == (32, 96)


@pytest.mark.parametrize(
    ("file_format", "mode"),
    [
        ("PNG", "RGBA"),
        ("PNG", "P"),
        ("PNG", "1"),
        ("PNG", "I;16"),
        ("GIF", "P"),
        ("JPEG", "CMYK"),
        ("WEBP", "RGBA"),
    ],
)
def test_an_input_of_any_mode_becomes_rgb(server: ReferenceServer, file_format: str, mode: str):
    assert opened(body_of(server, LARGE, image=input_picture((40, 30), file_format, mode))).mode == "RGB"


@pytest.mark.parametrize("operation", FROM_AN_INPUT, ids=name)
def test_strength_moves_the_picture_one_way_and_tile_the_other(server: ReferenceServer, operation: Operation):
    picture = input_picture()
    strengths = [0, 0.01, 0.25, 0.5, 0.75, 0.99, 1]
    away = [
        distance(body_of(server, operation, image=picture, strength=each), base64.b64decode(picture))
        for each in strengths
    ]
    expected = sorted(away, reverse=operation.operation_id == "sd3_medium_tile")
    assert away == expected
    assert len(set(away)) == len(strengths)


def test_the_unbounded_strength_of_large_goes_no_further_than_1(server: ReferenceServer):
    picture = input_picture()
    whole, more = (opened(body_of(server, LARGE, image=picture, strength=each)) for each in (1, 10**400))
    assert sum(ImageStat.Stat(ImageChops.difference(whole, more)).mean) < 1


def test_a_data_uri_draws_as_its_base64_does(server: ReferenceServer):
    picture = input_picture()
    assert body_of(server, LARGE, image=picture) == body_of(
        server, LARGE, image=f"data:image/png;base64,{picture}"
    )


def test_an_https_address_is_not_fetched_and_stands_for_a_picture_of_its_own(server: ReferenceServer):
    first, again, other = (
        body_of(server, LARGE, image=f"https://example.invalid/{each}.jpg") for each in ("a", "a", "b")
    )
    assert first == again != other


def test_the_gallery_makes_a_file_once_until_it_is_full():
    made: list[str] = []

    def make(name: str) -> Callable[[], bytes]:
        return lambda: made.append(name) or b"12345"

    gallery = Gallery(most_bytes=10)
    files = [gallery.file(name, make(name)) for name in ("a", "b", "a", "c", "a", "b")]
    assert files == [b"12345"] * 6
    assert made == ["a", "b", "c", "b"]


@pytest.mark.parametrize("prompt", ["", "\ud800", "\x00\n\t", "狐" * 5000, "a" * 100_000])
def test_any_prompt_can_be_signed(server: ReferenceServer, prompt: str):
    assert opened(body_of(server, TURBO, prompt=prompt, width=400)).size == (400, 64)
