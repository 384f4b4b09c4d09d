"""Tell errors apart by what they cost: `billed` is False, True, or None where nobody can know."""

from typing import Any

from segmind_sd3 import APIError, Client, InvalidRequest, OutcomeUnknown, SegmindError


def draw(client: Client, **parameters: Any) -> None:
    try:
        client.sd35_turbo_txt2img(**parameters).save("owl.jpg")
    except InvalidRequest as error:  # nothing was sent: change what is wrong
        print(type(error).__name__, error.billed, *error.problems)
    except SegmindError as error:
        print(type(error).__name__, error.billed, error)
        if error.billed is not False and isinstance(error, (APIError, OutcomeUnknown)) and error.body:
            print("What came is in", error.save("owl-reply"))
    else:
        print("drawn")


with Client() as client:
    draw(client, prompt="an owl", width=99_999)
    draw(client, prompt="an owl", extra={"seed": "no number"})  # what is in `extra` is not checked here
    draw(client.with_options(api_key="SG_fedcba9876543210"), prompt="an owl")
    draw(client, prompt="an owl")
