"""Calls of a teacher, counted."""

from typing import Any

import pytest


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Return a list that gets the size of each batch that a teacher is asked about."""
    from edgecv.models.training import teacher_answers

    sizes: list[int] = []
    compile_inference = teacher_answers.compile_inference

    def counting(model: Any) -> Any:
        ask = compile_inference(model)

        def counted(images: Any) -> Any:
            sizes.append(len(images))
            return ask(images)

        return counted

    monkeypatch.setattr(teacher_answers, "compile_inference", counting)
    return sizes
