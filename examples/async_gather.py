"""Draw four pictures at once, and save each as soon as it comes."""

import asyncio

from segmind_sd3 import AsyncClient

SEASONS = ("spring", "summer", "autumn", "winter")


async def draw(client: AsyncClient, season: str) -> str:
    drawn = await client.sd35_turbo_txt2img(prompt=f"a garden in {season}")
    [path] = drawn.save(f"{season}.jpg")
    return f"{path}, ${drawn.cost}"


async def main() -> None:
    async with AsyncClient() as client:
        calls = (draw(client, season) for season in SEASONS)
        # Without return_exceptions, or in a TaskGroup, one failure would end the others, which are paid for.
        outcomes = await asyncio.gather(*calls, return_exceptions=True)
    for season, outcome in zip(SEASONS, outcomes, strict=True):
        print(f"{season}: {outcome}")


asyncio.run(main())
