"""The studio as a server of the Model Context Protocol: each endpoint is a tool, and pictures come and go whole.

Gradio's own server calls the endpoints through a client on this machine, which would read any file here that a caller
describes in the form in which Gradio passes files on, and any address would be fetched that a caller names. Here a file
is what came with the call, or what the studio gave or took before, and nothing else.
"""

import base64
import binascii
import html
import json
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

import gradio.mcp
import httpx
from gradio.mcp import GradioMCPServer
from gradio.utils import get_upload_folder
from gradio_client import handle_file
from gradio_client.exceptions import ValidationError
from gradio_client.utils import is_file_obj_with_meta

from flowgen.errors import FlowgenError
from flowgen.ui import files
from flowgen.ui.limits import LIMITS
from flowgen.ui.refusals import SORRY, UNREADABLE, BadArgument

__all__ = ["Tools", "install"]

SERVED = "/gradio_api/file="
HOW = 'a data URL ("data:image/png;base64,...") or the address of a file that the studio gave'


class Tools(GradioMCPServer):
    """Gradio's server with other ways for files and errors; protocol, queue and sessions stay as they are."""

    @property
    def _file_data_tool_description(self) -> str:
        return f" A picture is {HOW}."

    def get_input_schema(
        self, tool_name: str, parameters: dict[str, str] | None = None
    ) -> tuple[dict[str, Any], list[list[str | int]]]:
        """The arguments of a tool as JSON schema, and where in them the files are."""
        schema, places = super().get_input_schema(tool_name, parameters)
        for (name,) in places:
            about = (parameters or {}).get(str(name), "")
            schema["properties"][name] = {"type": "string", "description": f"{about} It is {HOW}.".strip()}
        return schema, places

    def convert_strings_to_filedata(self, value: Any, filedata_positions: list[list[str | int]]) -> Any:
        """The arguments of a call, with each file as Gradio passes files on.

        Raises:
            BadArgument: for a file that is none of those a caller may name.
        """
        _refuse_files(value)
        files_of = {str(place[0]) for place in filedata_positions} & value.keys()
        return value | {name: handle_file(_file(name, value[name])) for name in files_of}

    async def _execute_tool_without_progress(self, job: Any) -> list[Any]:
        """The outputs, one by one: Gradio gives them as one, so that it finds no pictures among them."""
        outputs: list[Any] = []
        async for update in job:
            if update.type == "output" and update.final and update.success:
                outputs = update.outputs["data"]
        if error := job.exception():
            raise _sentence(error) from None
        return outputs

    async def _execute_tool_with_progress(self, job: Any, progress_token: str | int) -> Any:
        try:
            return await super()._execute_tool_with_progress(job, progress_token)
        except Exception as error:
            raise _sentence(error) from None

    def postprocess_output_data(self, data: Any, root_url: str) -> Any:
        """Pictures as pictures, and what else there is as JSON."""
        flat: list[Any] = []
        for output in data:
            each = (
                output if isinstance(output, list) and output and all(map(is_file_obj_with_meta, output)) else [output]
            )
            flat += [one if is_file_obj_with_meta(one) or isinstance(one, str) else json.dumps(one) for one in each]
        return super().postprocess_output_data(flat, root_url)

    def get_fn_description(self, block_fn: Any, tool_name: str) -> tuple[str, dict[str, str]]:
        """What a tool does, in one paragraph, and each of its arguments."""
        description, parameters = super().get_fn_description(block_fn, tool_name)
        return " ".join(description.split()), parameters


def install() -> None:
    """Have Gradio serve `Tools`: it looks the class up when it is launched."""
    gradio.mcp.GradioMCPServer = Tools  # type: ignore[misc]


def _refuse_files(value: Any) -> None:
    """Make sure that no value stands for a file, at whatever depth: Gradio's client would read it here."""
    if isinstance(value, dict):
        if "path" in value and "meta" in value:
            raise FlowgenError(f"A file cannot be given in this form: give {HOW}.")
        value = list(value.values())
    if isinstance(value, list):
        for one in value:
            _refuse_files(one)


def _file(name: str, value: Any) -> str:
    """The path of a file that a caller may name."""
    if isinstance(value, str) and value.startswith("data:"):
        return files.save(_decoded(name, value), "picture")
    if isinstance(value, str) and value.startswith(("http://", "https://")):
        path = urlsplit(value).path
        folder, served = Path(get_upload_folder()).resolve(), Path(unquote(path.partition(SERVED)[2])).resolve()
        if SERVED in path and served.is_relative_to(folder) and served.is_file():
            return str(served)
    raise BadArgument(name, f"{name} must be {HOW}; other addresses and paths are not read.")


def _decoded(name: str, url: str) -> bytes:
    head, _, body = url.partition(",")
    if len(body) > LIMITS.upload_megabytes * 2**20 * 4 / 3:
        raise BadArgument(name, f"{name} is larger than {LIMITS.upload_megabytes} MB: scale it down.")
    try:
        if not head.endswith(";base64"):
            raise ValueError
        return base64.b64decode(body, validate=True)
    except (ValueError, binascii.Error):
        raise BadArgument(name, f"{name} cannot be read: after 'data:image/png;base64,' comes Base64.") from None


def _sentence(error: Exception) -> Exception:
    """What went wrong, for the one who asked: nothing of addresses, titles or classes."""
    if isinstance(error, ValidationError):
        lines = [line.removeprefix("- ") for line in str(error).splitlines() if line.startswith("- ")]
        return FlowgenError(" ".join(line.partition(": ")[2] for line in lines))
    if isinstance(error, httpx.HTTPError):
        return FlowgenError(UNREADABLE if isinstance(error, httpx.HTTPStatusError) else SORRY)
    return FlowgenError(html.unescape(str(error)))
