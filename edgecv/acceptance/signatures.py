"""Signatures of runs: OpenSSF model signing with the owner's key.

The manifest proves that a run is unchanged; a signature proves who made it. It lies beside the
folder of the run, whose files stay those of the manifest, and covers the manifest too.
"""

import tempfile
from pathlib import Path
from typing import Any

from edgecv.core.errors import InputError
from edgecv.core.files import check_regular
from edgecv.core.text import first_line
from edgecv.system.storage import check_seal, copy_file

KINDS_OF_KEY = "a PEM file of an elliptic curve key (P-256, P-384 or P-521), without a password"


def signature_of(folder: Path) -> Path:
    """Return the path of a run's signature.

    >>> signature_of(Path("exported/main")).as_posix()
    'exported/main.sig'
    """
    whole = folder.resolve() if folder.name in ("", "..") else folder
    return whole.with_name(f"{whole.name}.sig")


def sign(folder: Path, private_key: Path) -> Path:
    """Sign an unchanged run; return the file of the signature.

    Raises InputError if the run is damaged or the key cannot be used.
    """
    check_seal(folder)
    path = signature_of(folder)
    _check_key(private_key)
    library = _library("signing")
    from cryptography.exceptions import UnsupportedAlgorithm

    with tempfile.TemporaryDirectory(prefix="edgecv-sign-") as temporary:
        written = Path(temporary) / path.name
        try:
            config = library.Config().use_elliptic_key_signer(private_key=private_key)
            config.sign(folder, written)
        except (ValueError, TypeError, AttributeError, UnsupportedAlgorithm) as error:
            raise _no_key(private_key, error) from None
        copy_file(written, path)
    return path


def check_signature(folder: Path, public_key: Path) -> None:
    """Raise InputError unless the run is signed with the key and unchanged since."""
    path = signature_of(folder)
    check_regular(path)
    if not path.is_file():
        raise InputError(
            str(folder),
            f"is not signed: there is no {path}",
            remedy="sign it with edgecv sign, or leave --key out",
        )
    _check_key(public_key)
    library = _library("verifying")
    from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm

    try:
        config = library.Config().use_elliptic_key_verifier(public_key=public_key)
    except (ValueError, TypeError, AttributeError, UnsupportedAlgorithm) as error:
        raise _no_key(public_key, error) from None
    try:
        config.verify(folder, path)
    except (InvalidSignature, ValueError, KeyError, TypeError, OSError) as error:
        found = f"does not vouch for {folder} with the key {public_key}: {first_line(error)}"
        raise InputError(str(path), found) from None


def _library(part: str) -> Any:
    try:
        from model_signing import signing, verifying
    except ImportError:
        raise InputError(
            "--key",
            "needs OpenSSF model signing, which is not installed",
            remedy='pip install "edgecv[sign]"',
        ) from None
    return {"signing": signing, "verifying": verifying}[part]


def _check_key(path: Path) -> None:
    check_regular(path, "--key", accepted=KINDS_OF_KEY)
    if not path.is_file():
        raise InputError("--key", f"there is no file {path}", accepted=KINDS_OF_KEY)


def _no_key(path: Path, error: Exception) -> InputError:
    return InputError("--key", f"{path} cannot be used: {first_line(error)}", accepted=KINDS_OF_KEY)
