"""Draw in a web service: `uvicorn fastapi_endpoint:app`, then POST {"prompt": "a panda"} to /pictures."""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Annotated

from fastapi import Body, FastAPI, Request, Response
from fastapi.responses import JSONResponse
from segmind_sd3 import AsyncClient, InvalidRequest, SegmindError


@asynccontextmanager
async def lifespan(_app: FastAPI) -> AsyncGenerator[dict[str, AsyncClient]]:
    async with AsyncClient() as client:  # one for all requests: they share its connections
        yield {"client": client}


app = FastAPI(lifespan=lifespan)


@app.post("/pictures")
async def draw(request: Request, prompt: Annotated[str, Body(embed=True)]) -> Response:
    drawn = await request.state.client.sd35_turbo_txt2img(prompt=prompt)
    return Response(drawn.image.data, media_type=drawn.image.media_type)


@app.exception_handler(SegmindError)
async def explain(_request: Request, error: SegmindError) -> Response:
    status = 422 if isinstance(error, InvalidRequest) else 502
    return JSONResponse({"error": str(error), "billed": error.billed}, status)
