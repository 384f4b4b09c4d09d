"""Send by a transport of your own, which is an httpx transport: this one prints each call and its status."""

import httpx
from segmind_sd3 import Client


class Printing(httpx.BaseTransport):
    def __init__(self, transport: httpx.BaseTransport) -> None:
        self.transport = transport

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        reply = self.transport.handle_request(request)
        print(request.method, request.url.path, reply.status_code)
        return reply

    def close(self) -> None:
        self.transport.close()


with Client(transport=Printing(httpx.HTTPTransport())) as client:
    client.credits()
    client.sd35_turbo_txt2img(prompt="a train in the rain").save("train.jpg")
