"""Calls of a teacher, counted."""

from typing import Any

import pytest


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Return a list that gets the size of each batch that a teacher is asked about."""
    from edgecv.models.training.teacher_answers import TeacherAnswers

    sizes: list[int] = []
    begin = TeacherAnswers.__init__

    def counting(answers: TeacherAnswers, ask: Any, *given: Any) -> None:
        def counted(images: Any) -> Any:
            sizes.append(len(images))
            return ask(images)

        begin(answers, None if ask is None else counted, *given)

    monkeypatch.setattr(TeacherAnswers, "__init__", counting)
    return sizes
