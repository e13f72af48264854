"""The pages that mkdocs builds from the product itself: no page can fall behind it."""

import sys
from pathlib import Path
from typing import Any


def generated_pages() -> dict[str, str]:
    """Return the text of each generated page, by its path below ``docs/``."""
    # mkdocs imports this file alone: the generators lie beside it, the package above.
    sys.path[:0] = [str(Path(__file__).parent), str(Path(__file__).parents[2])]
    from cli_reference import cli_page
    from plugin_reference import plugin_page
    from python_reference import python_page
    from recipe_reference import recipe_page

    return {
        "reference/cli.md": cli_page(),
        "reference/recipe.md": recipe_page(),
        "reference/plugins.md": plugin_page(),
        "reference/python.md": python_page(),
    }


def on_config(config: Any) -> Any:
    """Put guides that are not in the navigation, decisions and results into it, by their names."""
    docs = Path(config.docs_dir)
    (guides,) = (each["Guides"] for each in config.nav if "Guides" in each)
    listed = str(guides)
    pages = sorted(path.name for path in (docs / "guides").glob("*.md"))
    guides += [f"guides/{page}" for page in pages if f"guides/{page}" not in listed]
    for section in ("decisions", "results"):
        pages = sorted(path.name for path in (docs / section).glob("*.md"))
        pages.remove("index.md")
        names = [f"{section}/{page}" for page in ["index.md", *pages]]
        config.nav.append({section.capitalize(): names})
    return config


def on_files(files: Any, config: Any) -> Any:
    """Add the generated pages. Fails if one of them made a build import TensorFlow."""
    from mkdocs.structure.files import File

    for path, text in generated_pages().items():
        files.append(File.generated(config, path, content=text))
    if "tensorflow" in sys.modules:
        raise RuntimeError("the documentation was built with TensorFlow: import it in functions")
    return files
