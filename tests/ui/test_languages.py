"""The page in English and in Chinese: no sentence without its translation, and nothing translated that is no text."""

import ast
import dataclasses
import inspect
import json
import re
from collections.abc import Iterator
from pathlib import Path

import gradio as gr
import httpx
import pytest
from playwright.sync_api import Page, expect

from flowgen.inference import METHODS, Diagnostics
from flowgen.ui.controls import title
from flowgen.ui.front import DESCRIPTION
from flowgen.ui.spoken import in_html, in_layout, in_value
from flowgen.ui.words import CHINESE, ENGLISH, FIELD, catalogue, language_of, translate

from .conftest import PATIENCE, ROOT, Visit

expect.set_options(timeout=PATIENCE)

FLOWGEN = ROOT / "flowgen"
HTTP = {"door.py", "readiness.py", "tools.py"}  # what these say is for programs
WHOLE = sorted(path for path in (FLOWGEN / "ui").glob("*.py") if path.name not in HTTP)  # the rest may be shown
REFUSALS = [*sorted((FLOWGEN / "inference").rglob("*.py")), FLOWGEN / "data/pictures.py", FLOWGEN / "data/decoding.py"]
ENGLISH_WORDS = re.compile(r"[A-Za-z']{2,}(?:,? [A-Za-z']{2,}){2,}")

# What strangers to the page are told: callers over HTTP, whoever starts the server, and Python callers.
ELSEWHERE = re.compile(r"offer_\w+|endpoint|launch|_port|\w+_argument|UNREADABLE|NO_SUCH_ENDPOINT|TAKE_SIZES|theme")
# Parts of sentences that are translated whole, as the tests below show.
PARTS = {
    "must be one of 7",
    "cannot be chosen: there is none here yet",
    ", and is missing",
    "This method is slow, even in a few steps",
    "7, 7: about 7 s on this machine",
    "A link has set everything",
    "The link has set the rest",
    "7: press 7 for the same result.",
    "Image, of any size and format",
    "Fewest bits is not most typical. {blank}What {model} draws itself costs neither least nor most.",
    "The blank picture is likelier than any of the test images, and like none of them. ",
    "bits of each pixel to 7, 7",
    "7test images, bits/dim77",
    "which add up to 7",
    "at least, all others known",
}


def sentences(path: Path, *, refusals: bool) -> Iterator[str]:
    """The texts in a file, of errors only or all, with a number for whatever varies; docstrings and the log are not."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    roots: list[ast.AST] = [node for node in ast.walk(tree) if _raises(node)] if refusals else [tree]
    for root in roots:
        yield from _texts(root)


def _raises(node: ast.AST) -> bool:
    return (
        isinstance(node, ast.Call)
        and isinstance(node.func, ast.Name)
        and node.func.id in ("FlowgenError", "BadArgument")
    )


def _texts(node: ast.AST) -> Iterator[str]:
    named = node.targets[0] if isinstance(node, ast.Assign) else node
    if ELSEWHERE.fullmatch(str(getattr(named, "name", getattr(named, "id", "")))):
        return
    if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant):
        return
    if isinstance(node, ast.Call) and ast.unparse(node.func).startswith("log."):
        return
    if isinstance(node, ast.JoinedStr):
        yield "".join(str(part.value) if isinstance(part, ast.Constant) else "7" for part in node.values)
        for part in node.values:
            if isinstance(part, ast.FormattedValue):
                yield from _texts(part.value)
        return
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        yield node.value
    for child in ast.iter_child_nodes(node):
        yield from _texts(child)


def in_chinese(text: str) -> str:
    said = in_html(text if re.match(r"\s*<(?!b>)", text) else f"<p>{text}</p>", CHINESE)
    return re.sub(r"<[^>]*>", "", said)


@pytest.mark.parametrize("path", [*WHOLE, *REFUSALS], ids=lambda path: str(path.relative_to(FLOWGEN)))
def test_every_sentence_of_the_page_has_a_translation(path: Path) -> None:
    found = sentences(path, refusals=path in REFUSALS)
    missing = [text for text in found if in_chinese(text) not in PARTS and ENGLISH_WORDS.search(in_chinese(text))]
    assert missing == [], "say them in flowgen/ui/zh.json"


@pytest.mark.parametrize("method", METHODS)
def test_every_method_and_its_settings_are_explained(method: str) -> None:
    kernel = METHODS[method]
    about = (inspect.getdoc(kernel) or "").split("\n")[0]
    helps = [field.metadata.get("help") for field in dataclasses.fields(kernel)]
    labels = [title(field.name) for field in dataclasses.fields(kernel)]
    for text in [about, *helps, *labels]:
        assert re.search("[\u4e00-\u9fff]", translate(text, CHINESE)), text


def test_no_sentence_is_translated_twice() -> None:
    def unique(pairs: list[tuple[str, str]]) -> dict[str, str]:
        assert len({english for english, _ in pairs}) == len(pairs)
        return dict(pairs)

    assert json.loads((FLOWGEN / "ui/zh.json").read_text(), object_pairs_hook=unique) == catalogue(CHINESE)


def test_a_translation_uses_the_fields_of_its_sentence() -> None:
    for english, chinese in catalogue(CHINESE).items():
        assert set(FIELD.findall(chinese)) <= set(FIELD.findall(english)), english


@pytest.mark.parametrize(
    ("english", "chinese"),
    [
        ("step 3 of 10 · 2.1 s · stopped", "第 3 步，共 10 步 · 2.1 秒 · 已停止"),
        (
            "Fast answers within 5 s: 1 variant, a step a row: about 2 s on this machine.",
            "快速模式在 5 秒内给出结果：1 个变体，每行一步：在这台机器上约需 2 秒。",
        ),
        (
            "Not converged, because no chain moved; 1 of 4 chains accepted almost nothing.",
            "未收敛，原因：没有一条链移动过；4 条链中有 1 条几乎没有接受任何提议。",
        ),
        (
            "seed must be a whole number from 0 to 9, not '{low}'.",
            "随机种子 必须是 0 到 9 之间的整数，而不是 '{low}'。",
        ),
        ("glow-mnist", "glow-mnist"),
        ("mnist, 28 x 28 gray", "MNIST，28 x 28 灰度"),
    ],
)
def test_sentences_are_put_into_chinese_with_what_varies_in_them(english: str, chinese: str) -> None:
    assert translate(english, CHINESE) == chinese
    assert translate(english, ENGLISH) == english


def test_a_verdict_with_its_evidence_is_translated_whole() -> None:
    verdict = Diagnostics("particles", 4, 1, 1.0, log_evidence=-12.54).verdict
    said = translate(verdict, CHINESE)
    assert said.startswith("这些是重采样后的加权粒子")
    assert said.endswith("log p(已知) 约为 -12.5 奈特。")


def test_only_text_is_translated() -> None:
    page = '<p class="fg-note" title="Stop">Stop</p><a href="data:Stop" download="Stop.png">Stop</a>'
    assert (
        in_html(page, CHINESE)
        == '<p class="fg-note" title="停止">停止</p><a href="data:Stop" download="Stop.png">停止</a>'
    )
    update = gr.update(choices=["any", "7"], value="any", label="Class")
    sent = in_value(update, CHINESE)
    assert (sent["choices"], sent["value"], sent["label"]) == ([("任意", "any"), ("7", "7")], "any", "类别")
    button = {"type": "button", "props": {"value": "Stop", "elem_id": "Stop", "js_on_load": "a < 1 && say('Stop')"}}
    (props,) = [each["props"] for each in in_layout({"components": [button]}, CHINESE)["components"]]
    assert props == {"value": "停止", "elem_id": "Stop", "js_on_load": "a < 1 && say('Stop')"}


def test_what_a_visitor_wrote_stays_escaped() -> None:
    said = in_html("<p>seed must be a whole number from 0 to 9, not &#x27;&lt;b&gt;&#x27;.</p>", CHINESE)
    assert "&lt;b&gt;" in said
    assert "<b>" not in said


@pytest.mark.parametrize(
    ("query", "cookies", "accepted", "language"),
    [
        ({}, {}, "", ENGLISH),
        ({}, {}, "zh-TW,zh;q=0.9,en;q=0.8", CHINESE),
        ({}, {}, "de,zh;q=0.9,en;q=0.8", CHINESE),
        ({}, {}, "en-GB,zh;q=0.9", ENGLISH),
        ({}, {"flowgen_language": "en"}, "zh-CN", ENGLISH),
        ({"lang": "zh-CN"}, {"flowgen_language": "en"}, "en", CHINESE),
        ({"lang": "../etc"}, {"flowgen_language": "<b>"}, "zh", CHINESE),
    ],
)
def test_the_language_is_the_one_asked_for(
    query: dict[str, str], cookies: dict[str, str], accepted: str, language: str
) -> None:
    assert language_of(query, cookies, accepted) == language


def test_the_page_is_served_in_the_language_asked_for(studio: str) -> None:
    english, chinese, chosen = (
        httpx.get(studio + path, headers={"accept-language": accepted}, trust_env=False)
        for path, accepted in [("/", "en"), ("/", "zh-CN"), ("/?lang=zh-CN", "en")]
    )
    assert DESCRIPTION in english.text
    assert '<html\n\tlang="en"' in english.text
    assert "flowgen_language" not in english.headers.get("set-cookie", "")
    for page in (chinese, chosen):
        assert '<html\n\tlang="zh-CN"' in page.text
        assert translate(DESCRIPTION, CHINESE) in page.text
    assert "flowgen_language=zh-CN" in chosen.headers["set-cookie"]
    assert all("gradio.app" not in page.text.split("<script", 1)[0] for page in (english, chinese, chosen))
    assert "flowgen_language" not in httpx.get(f"{studio}/?lang=xx", trust_env=False).headers.get("set-cookie", "")


LEFT = """() => [...document.querySelectorAll('.gradio-container *')]
    .filter((element) => element.checkVisibility({ visibilityProperty: true }))
    .flatMap((element) => [...element.childNodes].filter((node) => node.nodeType === 3).map((node) => node.textContent)
        .concat(['aria-label', 'title', 'alt', 'placeholder'].map((name) => element.getAttribute(name) || '')))
    .filter((text) => /[A-Za-z]{2,} [A-Za-z]{2,}/.test(text) && !/[\\u4e00-\\u9fff]/.test(text))"""
GRADIO = re.compile(r"Gradio footer navigation|Reset to default value|In queue: \d+ of \d+")  # it has no other words


def english_left(page: Page) -> list[str]:
    return [text.strip() for text in page.evaluate(LEFT) if not GRADIO.fullmatch(text.strip())]


@pytest.mark.browser
def test_nothing_english_is_left_on_the_chinese_page(visit: Visit, digit: Path) -> None:
    page = visit(address="?lang=zh-CN")
    page.click("#generate-run")
    expect(page.locator("#generate-result")).to_contain_text("下载整版图像")
    assert english_left(page) == []

    page.get_by_role("tab", name="插值", exact=True).click()
    for end in ("start", "end"):
        page.click(f"#interpolate-{end} [data-do=sample]")
        expect(page.locator(f"#interpolate-{end} .fg-caption")).to_contain_text("的样本")
    page.click("#interpolate-run")
    expect(page.locator("#interpolate-result")).to_contain_text("下载动画")
    assert english_left(page) == []

    page.get_by_role("tab", name="修补", exact=True).click()
    page.click("#inpaint-run")
    expect(page.get_by_text("还没有图片")).to_be_visible()
    page.set_input_files("#inpaint-picture input[type=file]", digit)
    expect(page.locator("#inpaint-picture .fg-caption")).to_contain_text("模型看到的是")
    page.locator("#inpaint-picture canvas").click()
    expect(page.locator("#inpaint-picture canvas")).to_have_attribute("aria-label", re.compile("待补全 [1-9]"))
    page.locator("#inpaint-advanced").get_by_text("高级设置").click()
    page.click("#inpaint-run")
    expect(page.locator("#inpaint-result")).to_contain_text("下载全部")
    assert english_left(page) == []

    page.get_by_role("tab", name="评分", exact=True).click()
    page.set_input_files("#score-picture input[type=file]", digit)
    expect(page.locator("#score-picture .fg-caption")).to_contain_text("模型看到的是")
    page.click("#score-run")
    expect(page.locator("#score-result .fg-score").first).to_contain_text("比特/维")
    assert english_left(page) == []

    page.get_by_role("tab", name="模型", exact=True).click()
    page.locator("[data-model=gray] [data-do=sample]").click()
    expect(page.locator("[data-model=gray] .fg-sheets img").first).to_be_visible()
    assert english_left(page) == []


@pytest.mark.browser
def test_the_language_is_changed_by_a_link_and_remembered(visit: Visit) -> None:
    page = visit()
    expect(page.locator("#generate-run")).to_have_text("Generate")
    page.get_by_role("link", name="简体中文").click()
    expect(page.locator("#generate-run")).to_have_text("生成")
    page.goto(page.url.split("?")[0])
    expect(page.locator("#generate-run")).to_have_text("生成")
    assert page.evaluate("document.documentElement.lang") == "zh-CN"
    page.get_by_role("link", name="English").click()
    expect(page.locator("#generate-run")).to_have_text("Generate")
