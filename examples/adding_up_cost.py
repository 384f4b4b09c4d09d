"""Draw a series until a limit is reached, and add up what it costs. The next run draws what is missing."""

from pathlib import Path

from segmind_sd3 import Client

LIMIT = 0.012  # USD, for each run
PROMPTS = [
    f"a fox in the style of {style}" for style in ("ukiyo-e", "art deco", "cubism", "pop art", "gothic")
]

spent = dearest = 0.0
with Client() as client:
    for number, prompt in enumerate(PROMPTS, 1):
        path = Path(f"fox-{number}.jpg")
        if path.exists():
            continue  # it is paid for
        if spent + dearest > LIMIT:
            print(f"The limit of ${LIMIT} comes before picture {number}.")
            break
        drawn = client.sd35_turbo_txt2img(prompt=prompt)
        drawn.save(path)
        cost = drawn.cost or 0.0  # None where the reply names no cost
        spent, dearest = spent + cost, max(dearest, cost)
        print(f"{path}: ${cost}")
print(f"spent: ${spent:.4f}")
