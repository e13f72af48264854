"""A signed run is vouched for by the owner of the key, and by nobody else."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from edgecv.acceptance.signatures import sign, signature_of
from edgecv.acceptance.verify import verify
from edgecv.core.errors import InputError
from edgecv.system.storage import seal

pytest.importorskip("model_signing", reason='needs pip install "edgecv[sign]"')


def make_keys(folder: Path, name: str) -> tuple[Path, Path]:
    """Write a private and a public key."""
    from cryptography.hazmat.primitives import serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    key = ec.generate_private_key(ec.SECP256R1())
    private, public = folder / f"{name}.pem", folder / f"{name}.pub"
    private.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
    )
    public.write_bytes(
        key.public_key().public_bytes(
            serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
        )
    )
    return private, public


def test_the_owner_of_the_key_vouches_for_the_run(folder: Path, tmp_path: Path) -> None:
    private, public = make_keys(tmp_path, "mine")
    assert sign(folder, private) == signature_of(folder)
    assert verify(folder, public).signed
    assert not verify(folder).signed


def test_nobody_else_does(folder: Path, tmp_path: Path) -> None:
    private, public = make_keys(tmp_path, "mine")
    other_private, other_public = make_keys(tmp_path, "other")
    with pytest.raises(InputError, match="is not signed"):
        verify(folder, public)
    sign(folder, private)
    with pytest.raises(InputError, match="does not vouch"):
        verify(folder, other_public)
    sign(folder, other_private)
    with pytest.raises(InputError, match="does not vouch"):
        verify(folder, public)


def test_a_run_that_was_changed_and_sealed_again_is_noticed(folder: Path, tmp_path: Path) -> None:
    private, public = make_keys(tmp_path, "mine")
    sign(folder, private)
    (folder / "int8.tflite").write_bytes(b"evil")
    with pytest.raises(InputError, match="SHA-256 differs"):
        verify(folder, public)
    seal(folder)
    verify(folder)
    with pytest.raises(InputError, match="does not vouch"):
        verify(folder, public)


def test_a_damaged_run_is_not_signed(folder: Path, tmp_path: Path) -> None:
    private, _ = make_keys(tmp_path, "mine")
    (folder / "int8.tflite").write_bytes(b"evil")
    with pytest.raises(InputError, match="SHA-256 differs"):
        sign(folder, private)
    assert not signature_of(folder).exists()


@pytest.mark.parametrize("content", [b"", b"{}", b"\xff" * 100, b"[1]", b'{"dsseEnvelope": 1}'])
def test_what_is_no_signature_is_refused(folder: Path, tmp_path: Path, content: bytes) -> None:
    _, public = make_keys(tmp_path, "mine")
    signature_of(folder).write_bytes(content)
    with pytest.raises(InputError, match="does not vouch"):
        verify(folder, public)


def test_what_is_no_key_is_refused(folder: Path, tmp_path: Path) -> None:
    private, public = make_keys(tmp_path, "mine")
    (tmp_path / "noise").write_bytes(b"noise")
    for key in (tmp_path / "none", tmp_path / "noise", public):
        with pytest.raises(InputError, match="--key"):
            sign(folder, key)
    sign(folder, private)
    for key in (tmp_path / "none", tmp_path / "noise", private):
        with pytest.raises(InputError, match="--key"):
            verify(folder, key)


def test_the_receiver_checks_without_edgecv(folder: Path, tmp_path: Path) -> None:
    private, public = make_keys(tmp_path, "mine")
    path = sign(folder, private)

    def status() -> int:
        command = [sys.executable, "-m", "model_signing", "verify", "key", str(folder)]
        keys = ["--signature", str(path), "--public_key", str(public)]
        return subprocess.run([*command, *keys], capture_output=True, check=False).returncode

    assert status() == 0
    for change in (
        lambda: (folder / "int8.tflite").write_bytes(b"other"),
        lambda: (folder / "added").touch(),
        lambda: (folder / "int8.tflite").unlink(),
    ):
        copy = shutil.copytree(folder, tmp_path / "copy")
        change()
        assert status() != 0
        shutil.rmtree(folder)
        copy.rename(folder)
