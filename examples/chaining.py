"""Give the picture of one call to the next: draw, redraw, enlarge."""

from segmind_sd3 import Client

with Client() as client:
    draft = client.sd35_turbo_txt2img(prompt="a lighthouse on a cliff")
    draft.save("draft.jpg")
    painting = client.sd3_medium_img2img(prompt="a lighthouse on a cliff, watercolour", image=draft)
    painting.save("painting.jpg")
    poster = client.sd3_medium_tile(prompt="a lighthouse on a cliff, watercolour", image=painting)
    poster.save("poster.jpg")

for step in (draft, painting, poster):
    print(f"{step.image.width}x{step.image.height}, ${step.cost}")
