"""The client of boards: what it says of those that are silent, talk nonsense, or are others."""

import re
import time
from collections.abc import Callable

import pytest
from deployed import deployed_file

from edgecv.core.errors import StepError
from edgecv.core.plugins import DeployContext, DeviceFacts
from edgecv.targets.firmware.board_device import BoardDevice
from edgecv.targets.firmware.client import BoardClient

pytestmark = pytest.mark.quick

READY = b"m-ready\r\n"
Answer = Callable[[str], bytes]


class Board:
    """A board that answers each command by a function, in parts of a few bytes."""

    def __init__(self, answer: Answer, part: int = 70) -> None:
        self.answer, self.part, self.waiting = answer, part, b""
        self.commands: list[str] = []

    def write(self, content: bytes) -> None:
        for command in content.decode().split("%")[:-1]:
            self.commands.append(command)
            self.waiting += self.answer(command)

    def read(self, seconds: float) -> bytes:
        size = max(self.part, len(self.waiting) // 20)
        part, self.waiting = self.waiting[:size], self.waiting[size:]
        return part


def own(command: str) -> bytes:
    """Answer as edgecv's firmware does: the outputs are the bytes 0 to 3."""
    lines = {
        "name": "m-name-dut-[edgecv]",
        "profile": f"m-profile-[edgecv firmware 1]\r\nm-model-[{'a' * 64}]",
        "outputs": "m-outputs-[00010203]",
        "results": "m-results-[0.000,-1.250]",
        "": "e-[Unknown command: ]",
    }
    if command.startswith("db"):
        return b"m-load-done\r\n" + READY
    if command.startswith("infer"):
        return b"m-lap-us-100\r\nm-lap-us-350\r\nm-infer-done\r\n" + READY
    return lines[command].encode() + b"\r\n" + READY


def instead(name: str, answer: bytes) -> Answer:
    return lambda command: answer if command.startswith(name) else own(command)


def client(answer: Answer = own, **options: float) -> BoardClient:
    found = BoardClient(Board(answer), "--to serial:P", answer_s=0.3, **options)
    found.greet()
    return found


def test_a_board_with_the_firmware_gives_bytes_and_time() -> None:
    board = client()
    assert board.gives_bytes
    assert board.model == "a" * 64
    board.load(bytes(1000))
    assert board.infer(10) == 250
    assert board.outputs(4) == bytes(range(4))
    assert board.results(2) == [0.0, -1.25]


def test_a_time_of_a_board_is_the_mean_of_runs_and_says_so() -> None:
    """Five means of ten runs were reported as fifty runs, with a 95th percentile of their own."""
    file, context = deployed_file("tflite"), DeployContext(lambda stage, message: None)
    device = BoardDevice(file, client(), DeviceFacts("board", notes=("it is mine",)), context)
    found = device.time(file.golden[:1])
    assert found is not None
    assert found[0].tolist() == [[25_000]] * 5
    assert device.facts.notes[0] == "it is mine"
    assert "a time is the mean of 10 runs" in device.facts.notes[1]


class SlowBoard(Board):
    """A board whose every inference takes a while."""

    A_RUN_S = 0.2

    def write(self, content: bytes) -> None:
        super().write(content)
        runs = re.search(rb"infer (\d+)", content)
        self.ready_at = time.monotonic() + (int(runs[1]) * self.A_RUN_S if runs else 0.0)

    def read(self, seconds: float) -> bytes:
        if time.monotonic() >= self.ready_at:
            return super().read(seconds)
        time.sleep(0.02)
        return b""


def test_each_of_several_runs_may_take_as_long_as_one() -> None:
    board = BoardClient(SlowBoard(own), "--to serial:P", answer_s=0.5)
    assert board.infer(1) == 250
    assert board.infer(4) == 250
    with pytest.raises(StepError, match=r'does not answer "infer 2 0" within 0\.2 s'):
        BoardClient(SlowBoard(own), "--to serial:P", answer_s=0.1).infer(2)


def test_commands_to_boards_of_others_have_80_characters_at_most() -> None:
    profile = b"m-profile-[ULPMark for tinyML Firmware V0.0.1]\r\nm-model-[ic01]\r\n" + READY
    stream = Board(instead("profile", profile))
    board = BoardClient(stream, "P")
    board.greet()
    assert (board.gives_bytes, board.model) == (False, "ic01")
    board.load(bytes(range(256)) * 3)
    assert max(map(len, stream.commands)) <= 80
    sent = "".join(each[3:] for each in stream.commands if re.fullmatch("db [0-9a-f]+", each))
    assert bytes.fromhex(sent) == bytes(range(256)) * 3


def test_a_board_that_starts_while_it_is_greeted_is_understood() -> None:
    stream = Board(own)
    stream.waiting = b"rubbish\r\nm-init-done\r\n" + READY
    board = BoardClient(stream, "P")
    board.greet()
    assert board.outputs(4) == bytes(range(4))


class Restarting(Board):
    """A board that its port's opening restarts: its boot loader swallows the first commands."""

    def __init__(self, swallowed: int) -> None:
        super().__init__(own)
        self.swallowed = swallowed

    def write(self, content: bytes) -> None:
        if self.swallowed:
            self.swallowed -= 1
            self.waiting = b"m-init-done\r\n" + READY
        else:
            super().write(content)


class Late(Board):
    """A board that keeps the questions while it starts, and answers all of them late."""

    def read(self, seconds: float) -> bytes:
        return super().read(seconds) if self.commands.count("name") > 2 else b""


@pytest.mark.parametrize("swallowed", [0, 1, 2])
def test_a_board_that_restarts_when_its_port_is_opened_is_asked_again(
    swallowed: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("edgecv.targets.firmware.client.AGAIN_S", 0.05)
    stream = Restarting(swallowed)
    board = BoardClient(stream, "P", answer_s=2.0)
    board.greet()
    assert (board.gives_bytes, stream.commands.count("name")) == (True, 1)
    assert board.outputs(4) == bytes(range(4))


def test_answers_to_questions_that_were_asked_again_are_passed_over(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("edgecv.targets.firmware.client.AGAIN_S", 0.05)
    stream = Late(own)
    board = BoardClient(stream, "P", answer_s=2.0)
    board.greet()
    assert board.model == "a" * 64
    assert board.outputs(4) == bytes(range(4))


def test_a_clock_that_stands_still_gives_no_time_and_one_that_turns_over_does() -> None:
    lines = b"m-lap-us-%d\r\nm-lap-us-%d\r\nm-infer-done\r\n" + READY
    assert client(instead("infer", lines % (0, 0))).infer(1) is None
    assert client(instead("infer", lines % (2**32 - 10, 20))).infer(1) == 30


@pytest.mark.parametrize(
    ("command", "answer", "reason"),
    [
        ("outputs", b"", 'does not answer "outputs" within'),
        ("outputs", b"x" * 100_000, "answers more than 65,544 bytes"),
        ("outputs", b"m-outputs-[0001]\r\n" + READY, "gives 2 bytes in place of 4"),
        ("outputs", b"m-outputs-[0001020304]\r\n" + READY, "gives 5 bytes in place of 4"),
        ("outputs", b"m-outputs-[000102xy]\r\n" + READY, "gives 4 bytes in place of 4"),
        ("outputs", READY, "gives 0 bytes in place of 4"),
        ("outputs", b"m-outputs-[00]\r\n" * 2 + READY, "gives 1 bytes in place of 4"),
        ("outputs", b"e-[\x1b[31mred]\r\n" + READY, r"answers e-\[\?\[31mred\]"),
        ("db", READY, "does not take an input of 4 bytes"),
        ("infer", READY, "answers nothing"),
        ("infer", b"m-lap-us-1\r\nm-infer-done\r\n" + READY, "answers m-lap-us-1"),
        ("infer", b"m-lap-us-x\r\nm-lap-us-9\r\nm-infer-done\r\n" + READY, "answers m-lap-us-x"),
    ],
)
def test_nonsense_is_one_sentence(command: str, answer: bytes, reason: str) -> None:
    board = client(instead(command, answer))
    with pytest.raises(StepError, match=reason) as caught:
        board.load(bytes(4))
        board.infer(1)
        board.outputs(4)
    assert "\x1b" not in str(caught.value)


@pytest.mark.parametrize("answer", [b"", b"hello\r\n", b"m-name-\r\n", READY * 3])
def test_what_is_no_board_is_named(answer: bytes) -> None:
    with pytest.raises(StepError, match=r'does not answer "name".*is it the right port'):
        client(lambda command: answer)


@pytest.mark.parametrize("text", ["0.5", "0.5,nan", "0.5,1e9,2.0", "a,b", ""])
def test_results_that_are_no_two_numbers_are_refused(text: str) -> None:
    board = client(instead("results", f"m-results-[{text}]\r\n".encode() + READY))
    with pytest.raises(StepError, match="in place of 2"):
        board.results(2)
