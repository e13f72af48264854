"""Deployment of one file: checked, built, run on its target, compared with this machine."""

from dataclasses import replace
from pathlib import Path

from edgecv.analysis.any_files import whole_file
from edgecv.analysis.deploy.describe import completed, described
from edgecv.analysis.deploy.place import Place
from edgecv.analysis.deploy.proof import DeviceProof, other_kernels
from edgecv.analysis.deploy.request import (
    check_one,
    limits_here,
    origin_of,
    parse_target,
    request_of_deployment,
)
from edgecv.analysis.options import DeployOptions
from edgecv.analysis.validate import validate
from edgecv.core.events import OnEvent
from edgecv.core.plugins import DeployContext
from edgecv.core.report import Report
from edgecv.pipeline.context import open_analysis
from edgecv.reports.files import write_reports
from edgecv.targets.board import profile_named


def deploy(options: DeployOptions, on_event: OnEvent, log: Path | None) -> Report:
    """Deploy a file: see ``analysis.options.deploy``."""
    target = parse_target(options)
    profile = None if options.profile is None else profile_named(options.profile)
    check_one(options.paths)
    given = options.paths[0].resolve()
    name = given.name if given.is_dir() else given.stem
    place = Place(options.out or Path("deployed") / f"{name}-{target.name}", options.force)
    place.check()
    request, file, run = request_of_deployment(options, target)
    threads = options.threads if target.takes_threads else 1
    with open_analysis(request.settings, on_event, log, request.trust) as context:
        whole = whole_file(file, context)
        files = tuple(whole if each.path == file.path else each for each in request.files)
        rows = () if run is None else sorted(run.comparisons, key=lambda each: each.is_twin)
        others = tuple(each.artifact.path for each in rows)
        found = described(whole, others, origin_of(whole, run), context)
        target.check(found, profile)
        there = DeployContext(context.emit, log, threads)
        target.reach([found.artifact.format], there)
        here = limits_here(request.limits, options)
        report, arrays = validate(replace(request, files=files, limits=here), context)
        resize = getattr(request.source, "resize", None) or "stretch"
        found = completed(found, report, arrays, resize, context)
        proof = DeviceProof(found, report, arrays, request.limits, context)
        with place.folder() as folder:
            context.emit("build", f"building {target.name}")
            target.build(found, folder)
            with target.open(found, folder, there) as device:
                if device is None:
                    report = proof.without_device(target)
                else:
                    report = proof.with_device(device, target, options)
            report = replace(report, name=place.name)
            if report.deployment is not None:
                notes = (*report.deployment.notes, *other_kernels(report, run, file.artifact.path))
                deployment = replace(
                    report.deployment,
                    folder=str(place.path),
                    profile=options.profile or "",
                    notes=notes,
                )
                report = replace(report, deployment=deployment)
            write_reports(report, folder)
    return report
