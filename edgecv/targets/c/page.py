"""The page of a C project."""

from string import Template

from edgecv.core.plugins import DeployedFile
from edgecv.core.text import printable
from edgecv.targets.c.project import PlacedProgram, template

EXACT = {
    "int8": "Every int8 output is byte for byte that of LiteRT's {kernels} kernels.",
    "float32": "float32 outputs are within 1e-5 of the largest of LiteRT's {kernels} kernels.",
}


def page(file: DeployedFile, layout: PlacedProgram) -> str:
    """Return README.md of a project."""
    tables = layout.program.tables
    is_float = any(
        each.type == "float32" for step in layout.program.steps for each in step.operator.outputs
    )
    exact = EXACT["float32" if is_float else "int8"]
    return Template(template("README.md")).substitute(
        title=printable(str(file.origin.get("run", file.path.stem))),
        arena=f"{layout.arena:,}",
        constants=f"{layout.constant_bytes:,}",
        exact=exact.format(kernels=layout.program.arithmetic),
        inputs="\n".join(
            f"| `EDGECV_INPUT_{n}` | {t.type} | {list(t.shape)} |"
            for n, t in enumerate(tables.inputs)
        ),
        outputs="\n".join(
            f"| `EDGECV_OUTPUT_{n}` | {t.type} | {list(t.shape)} |"
            for n, t in enumerate(tables.outputs)
        ),
        labels="\n".join(f"{n}. {printable(name)}" for n, name in enumerate(file.labels)),
    )
