"""The links of the documentation to the page of `jaxcnn explore` show what they say."""

from __future__ import annotations

import json

from browser import inside, opened

from docs.site.pages import load_pages
from docs.site.staging import marked
from jaxcnn.programs.explore.page.render import render

PAGE = "explore.html#"
SCENES = [
    what.partition(", ")[0].removeprefix(PAGE)
    for what in marked(load_pages(), "open")
    if what.startswith(PAGE)
]
SHOW = """
$("results").textContent = JSON.stringify(SCENES.map(scene => {
  show(readState(scene));
  return [writeState(state), result.problem ?? "", $("sums").textContent];
}));
"""


def test_each_link_shows_what_it_says(tmp_path):
    """The page takes each part of the address as it stands there; and the sum of the
    lesson on input gradients is the one that the lesson finds by hand."""
    script = f"<script>const SCENES = {json.dumps(SCENES)};{SHOW}</script>"
    html = render("conv").replace("</body>", f"{script}</body>")
    (tmp_path / "page.html").write_text(html, encoding="utf-8")
    dumped = opened(tmp_path / "page.html", "", tmp_path / "browser")
    sums = {}
    for scene, (state, problem, text) in zip(
        SCENES, json.loads(inside(dumped, "results")), strict=True
    ):
        assert {*scene.split("&")} <= {*state.split("&")}
        assert not problem, scene
        sums[scene] = "".join(text.split())
    (lesson,) = (scene for scene in sums if "input=1x4" in scene and "at=x.1.2" in scene)
    assert "=∂J/∂y11k12+∂J/∂y12k11=1·2+10·1=12" in sums[lesson]
