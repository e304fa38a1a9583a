"""The studio as an MCP server, called by a client of the protocol."""

import asyncio
import base64
import io
import json
import re
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from mcp import ClientSession
from mcp.client.streamable_http import streamable_http_client
from mcp.types import CallToolResult, ImageContent, TextContent, Tool
from PIL import Image

TOOLS = {"models", "sample", "interpolate", "inpaint", "edit", "score", "heat_map"}


def session(studio: str, *calls: tuple[str, dict[str, Any]]) -> tuple[list[Tool], list[CallToolResult]]:
    """The tools there are, and what comes of calling some, in one session."""

    async def talk() -> tuple[list[Tool], list[CallToolResult]]:
        async with (
            streamable_http_client(f"{studio}/gradio_api/mcp/") as (read, write, _),
            ClientSession(read, write) as client,
        ):
            await client.initialize()
            return (await client.list_tools()).tools, [await client.call_tool(*call) for call in calls]

    with ThreadPoolExecutor(1) as thread:  # the browser of other tests has this one's event loop
        return thread.submit(lambda: asyncio.run(talk())).result()


def data_url(path: Path) -> str:
    return "data:image/png;base64," + base64.b64encode(path.read_bytes()).decode()


def sentence(result: CallToolResult) -> str:
    assert result.isError
    (content,) = result.content
    assert isinstance(content, TextContent)
    assert not any(word in content.text for word in ("Traceback", "site-packages", "Error(", "http://127", "/tmp"))
    return content.text


def pictures(result: CallToolResult) -> list[np.ndarray]:
    found = [content for content in result.content if isinstance(content, ImageContent)]
    opened = [Image.open(io.BytesIO(base64.b64decode(content.data))) for content in found]
    return [np.asarray(picture) for picture in opened]


def report(result: CallToolResult) -> Any:
    """The last output, which is JSON."""
    last = result.content[-1]
    assert isinstance(last, TextContent)
    return json.loads(last.text)


def test_the_tools_are_the_endpoints_and_say_what_they_do(studio: str) -> None:
    tools, _ = session(studio)
    assert {tool.name for tool in tools} == TOOLS
    for tool in tools:
        assert tool.description
        assert "Args" not in tool.description
        for name, argument in tool.inputSchema["properties"].items():
            assert isinstance(argument["type"], str), f"{tool.name}: {name} has no valid schema"
            assert len(argument["description"]) > 8, f"{tool.name}: {name} is not described"
    (inpaint,) = (tool for tool in tools if tool.name == "inpaint")
    assert "data URL" in inpaint.inputSchema["properties"]["mask"]["description"]
    assert inpaint.inputSchema["required"] == ["image", "mask"]


def test_a_picture_goes_in_as_data_and_comes_out_whole(studio: str, digit: Path) -> None:
    mask = np.zeros((28, 28), np.uint8)
    mask[20:] = 255
    file = io.BytesIO()
    Image.fromarray(mask).save(file, "PNG")
    hole = "data:image/png;base64," + base64.b64encode(file.getvalue()).decode()
    asked = {"model": "gray", "image": data_url(digit), "mask": hole, "method": "langevin", "num": 2, "steps": 2}
    _, (scored, mapped, filled) = session(
        studio,
        ("score", {"image": data_url(digit)}),
        ("heat_map", {"model": "ordered", "image": data_url(digit)}),
        ("inpaint", asked | {"options": {"step_size": 0.01}}),
    )
    assert {score["model"] for score in report(scored)} == {"gray", "colour", "ordered"}
    (heat,) = pictures(mapped)
    assert heat.shape == (28, 28, 3)
    assert report(mapped)["exact"] is True
    with Image.open(digit) as picture:
        known = np.asarray(picture)[:20]
    assert len(pictures(filled)) == 2
    assert all(np.array_equal(each[:20], known) for each in pictures(filled))
    assert report(filled)["options"] == {"step_size": 0.01}


def test_what_the_studio_drew_can_be_handed_on(studio: str) -> None:
    _, (drawn,) = session(studio, ("sample", {"model": "gray", "num": 1, "seed": 3}))
    assert len(pictures(drawn)) == 1
    address = next(re.findall(r"http\S+", one.text)[0] for one in drawn.content if isinstance(one, TextContent))
    _, (scored,) = session(studio, ("score", {"image": address}))
    assert len(report(scored)) == 3


ELSEWHERE = [
    "/etc/passwd",
    "file:///etc/passwd",
    "../../app.py",
    "http://127.0.0.1:9/x.png",
    "http://169.254.169.254/latest/meta-data/",
    "https://example.org/x.png",
    "{studio}/config",
    "{studio}/gradio_api/file=/etc/passwd",
    "{studio}/gradio_api/file={folder}/../../../../../../etc/passwd",
    "ftp://example.org/x.png",
    "",
]


def test_no_path_is_read_and_no_address_is_fetched(studio: str, tmp_path: Path) -> None:
    images = [image.format(studio=studio, folder=tmp_path) for image in ELSEWHERE]
    _, refused = session(studio, *(("score", {"image": image}) for image in images))
    for image, result in zip(images, refused, strict=True):
        assert sentence(result).startswith("image must be a data URL"), image


@pytest.mark.parametrize("nested", [False, True])
def test_nothing_that_looks_like_a_file_of_this_machine_is_passed_on(studio: str, digit: Path, nested: bool) -> None:
    """Gradio's client, through which a tool calls, would read it here and upload it."""
    file = {"path": str(digit), "meta": {"_type": "gradio.FileData"}}
    options = {"step_size": [file]} if nested else file
    asked = {"model": "gray", "image": data_url(digit), "mask": data_url(digit), "options": options}
    _, (refused, other) = session(studio, ("inpaint", asked), ("score", {"image": file}))
    assert sentence(refused).startswith("A file cannot be given in this form")
    assert "is not of type 'string'" in other.content[0].text
    assert other.isError


REFUSED: list[tuple[str, dict[str, Any], str]] = [
    ("sample", {"model": "gray", "num": 200}, "num must be a whole number from 1 to 64, not 200."),
    ("sample", {"model": "gray", "temperature": -1}, "temperature must be a number from 0 to 2, not -1."),
    ("sample", {"model": "ordered", "num": 1, "label": "seven"}, "label must be one of 0, 1, 2"),
    ("score", {"image": "data:image/png;base64,!!!"}, "image cannot be read"),
    ("score", {"image": "data:image/png,x"}, "image cannot be read"),
    ("score", {"image": "data:text/plain;base64,aGVsbG8="}, "This is not a picture"),
    ("page_generate", {}, "Unknown tool"),
]


def test_what_is_refused_is_refused_in_a_sentence(studio: str) -> None:
    _, refused = session(studio, *((tool, arguments) for tool, arguments, _ in REFUSED))
    for (tool, arguments, expected), result in zip(REFUSED, refused, strict=True):
        assert sentence(result).startswith(expected), (tool, arguments)
