"""The configuration of Sphinx, which `python -m docs.site` runs on the pages that it
has laid out.

Furo is the theme: it is maintained, readable on a phone, and has neither fonts nor
scripts from elsewhere, so that the site works from disk. Equations become MathML when
the site is built, and need no script.
"""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2]))

from jaxcnn.version import __version__

project = "jaxcnn"
author = "the jaxcnn developers"
copyright = author
version = release = __version__

extensions = ["myst_parser", "sphinx_copybutton"]
extensions += ["docs.site.excerpts", "docs.site.mathfont", "docs.site.mathml"]
myst_enable_extensions = ["deflist", "dollarmath"]
myst_heading_anchors = 4
myst_dmath_allow_space = False
myst_dmath_allow_digits = False
exclude_patterns = ["files"]
smartquotes = False
highlight_language = "none"
python_maximum_signature_line_length = 88
add_module_names = True
toc_object_entries_show_parents = "hide"

html_theme = "furo"
html_title = f"jaxcnn {version}"
html_static_path = ["static"]
templates_path = ["templates"]
html_css_files = ["site.css"]
html_math_renderer = "mathml"
html_copy_source = False
html_show_sphinx = False
html_show_copyright = False
copybutton_prompt_text = r">>> |\.\.\. "
copybutton_prompt_is_regexp = True
