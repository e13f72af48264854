"""The reference of everything that is registered: techniques, formats, data sets and the rest."""

from edgecv.core.registry import all_registries

HEAD = """# Techniques, formats, data sets

Everything that is registered, as `edgecv list` prints it. The options of each stand in the
[recipe reference](recipe.md); [Contributing](../contributing/index.md) shows how to add one.
"""
TITLES = {
    "data set": "Data sets",
    "architecture": "Architectures",
    "importer": "Model files that are read",
    "task": "Tasks",
    "technique": "Techniques",
    "format": "Formats that are written",
    "runtime": "Runtimes",
    "target": "Targets of a deployment",
}


def plugin_page() -> str:
    """Return the page in Markdown."""
    parts = [HEAD]
    for registry in all_registries():
        title = TITLES.get(registry.kind, registry.kind.capitalize())
        rows = [f"| `{name}` | {cls.help_text()} |" for name, cls in registry.classes.items()]
        table = "| name | description |\n|---|---|\n" + "\n".join(rows).replace("<", "&lt;")
        parts.append(f"## {title}\n\n{table}\n")
    return "\n".join(parts)
