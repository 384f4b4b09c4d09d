"""Draw one picture and save it."""

from segmind_sd3 import Client

with Client() as client:
    drawn = client.sd35_turbo_txt2img(prompt="a panda in a neon market")
    [path] = drawn.save("panda.jpg")
print(f"{path}: seed {drawn.seed}, ${drawn.cost}, ${drawn.credits_remaining} left")
