"""The Hugging Face Hub: a file fetched, a set of files published in one commit; what it refuses is a sentence.

The token is huggingface_hub's own: HF_TOKEN, or what `hf auth login` has kept. HF_ENDPOINT names another server.
"""

import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from logging import ERROR
from pathlib import Path
from typing import Any, Literal

from flowgen.errors import FlowgenError

__all__ = ["Kind", "create", "fetch", "publish", "sentences", "shorten"]

Kind = Literal["model", "space"]
NAME = re.compile(r"[\w.-]+/[\w.-]+")

REFUSALS = {
    400: "the Hub finds the request malformed",
    401: "it is not there, or not for you to see or change: run `hf auth login`, or set HF_TOKEN",
    402: "the Hub asks for a paid plan; a free account may have Spaces on ZeroGPU, hardware.flavor zero-a10g",
    403: "your token does not allow it; it needs write access to its owner's repositories",
    404: "it is not there",
    409: "another change came in between; run it again",
    413: "it is too large for the Hub",
    429: "there were too many requests; wait some minutes",
}
OUT_OF_ORDER = "the Hub is out of order (status {status}); try again later"


def fetch(repo: str, name: str, revision: str | None = None) -> Path:
    """A file of a model's repository, from the cache where it is there already.

    Args:
        repo: owner/name.
        name: path in the repository.
        revision: a branch, a tag or a commit; by default main.

    Raises:
        FlowgenError: if it cannot be had.
    """
    from huggingface_hub import hf_hub_download

    with sentences(f"{repo}/{name}{f'@{revision}' if revision else ''}"):
        return Path(hf_hub_download(repo, name, revision=revision))


def create(repo: str, kind: Kind, *, private: bool = False, **space: Any) -> str:
    """Make sure that there is a repository; give its address.

    Args:
        repo: owner/name.
        kind: model or space.
        private: whether one that is new is only for its owner to see; otherwise the owner's own default holds.
        space: more arguments of huggingface_hub's create_repo, for a new Space.

    Raises:
        FlowgenError: if that is no name, or the Hub refuses.
    """
    from huggingface_hub import HfApi

    if not NAME.fullmatch(repo):
        raise FlowgenError(f"{shorten(repo)!r} is no name on the Hub; write owner/name.")
    with sentences(repo):
        return str(HfApi().create_repo(repo, repo_type=kind, private=private or None, exist_ok=True, **space))


def publish(
    repo: str, kind: Kind, files: Mapping[str, Path | bytes], message: str, *, stale: tuple[str, ...] = ()
) -> str:
    """Put files into a repository, all in one commit, so that nobody ever finds it half done.

    Args:
        repo: owner/name; it exists.
        kind: model or space.
        files: by their path in the repository.
        message: of the commit.
        stale: folders, such as "flowgen/": what is there under them, and not among the files, is deleted.

    Returns:
        The address of the commit.

    Raises:
        FlowgenError: if the Hub refuses.
    """
    from huggingface_hub import CommitOperationAdd, CommitOperationDelete, HfApi

    api = HfApi()
    with sentences(repo):
        there = api.list_repo_files(repo, repo_type=kind) if stale else []
        gone = [path for path in there if path.startswith(stale) and path not in files]
        changes: list[Any] = [CommitOperationDelete(path) for path in gone]
        changes += [CommitOperationAdd(path, file) for path, file in files.items()]
        return str(api.create_commit(repo, changes, commit_message=message, repo_type=kind).commit_url)


@contextmanager
def sentences(subject: str) -> Iterator[None]:
    """Turn the Hub's refusals into sentences about the subject.

    Raises:
        FlowgenError: instead of what huggingface_hub raises.
    """
    from huggingface_hub.errors import HFValidationError
    from huggingface_hub.errors import HTTPError as NoAnswer  # type: ignore[attr-defined]  # httpx's, of whichever version
    from huggingface_hub.utils import logging

    # It tells of every try; what comes of them is told here, once.
    verbosity = logging.get_verbosity()
    logging.set_verbosity(ERROR)
    try:
        yield
    except FlowgenError:
        raise
    except HFValidationError:
        raise FlowgenError(f"{shorten(subject)!r} is no name on the Hub; write owner/name.") from None
    except (NoAnswer, OSError, RuntimeError, ValueError) as error:
        raise FlowgenError(f"{shorten(subject)!r}: {_why(error)}.") from None
    finally:
        logging.set_verbosity(verbosity)


def _why(error: BaseException) -> str:
    """The reason in words: by the status that the Hub answered with, else by what the system says."""
    from huggingface_hub.errors import HfHubHTTPError

    causes = [error]
    while (cause := causes[-1].__cause__) is not None:
        causes.append(cause)
    for answered in causes:
        if isinstance(answered, HfHubHTTPError):
            status = answered.response.status_code
            return REFUSALS.get(status, OUT_OF_ORDER.format(status=status))
    for failed in causes:
        if isinstance(failed, OSError) and failed.strerror:
            return failed.strerror[0].lower() + failed.strerror[1:]
    return "the Hub cannot be reached, or what answers there is none"


def shorten(name: str) -> str:
    """A name as a sentence repeats it: whoever wrote it may have written a book."""
    return name if len(name) <= 80 else f"{name[:77]}..."
