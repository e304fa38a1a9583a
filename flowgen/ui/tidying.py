"""What Gradio goes on keeping of requests that are over: a little for each, and for ever."""

from pathlib import Path

import gradio as gr

__all__ = ["forget"]


def forget(page: gr.Blocks) -> None:
    """Drop the names of files that are deleted, and what is kept of sessions and cancelled events that have ended.

    To be called in the event loop, in which Gradio itself works on these.
    """
    for files in page.temp_file_sets:
        files.difference_update([file for file in tuple(files) if not Path(file).exists()])
    queue = page._queue
    waiting = queue.pending_event_ids_session
    for session in [session for session, events in waiting.items() if not events]:
        if session not in queue.pending_messages_per_session:  # whose last 2000 Gradio keeps, and may still look up
            del waiting[session]
    page.server_app.iterators_to_reset.intersection_update(queue.event_ids_to_events)
