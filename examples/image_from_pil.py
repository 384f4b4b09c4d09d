"""Redraw a picture that was made with Pillow, and open the result with Pillow: needs segmind-sd3[pil]."""

from PIL import Image, ImageDraw
from segmind_sd3 import Client

sketch = Image.new("RGB", (768, 512), "skyblue")
pen = ImageDraw.Draw(sketch)
pen.rectangle((0, 340, 768, 512), fill="darkgreen")
pen.polygon(((160, 340), (384, 120), (608, 340)), fill="slategray")

with Client() as client:
    drawn = client.sd3_medium_img2img(prompt="a mountain by a meadow, oil on canvas", image=sketch)
    [path] = drawn.save("mountain.jpg")
picture = drawn.image.to_pil()
print(f"{path}: {picture.width}x{picture.height}, {picture.format}")
