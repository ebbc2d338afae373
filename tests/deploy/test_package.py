"""The deployment package: what is in it, that its bytes depend on the source only, and that it runs on its own.

No test reaches a package index: pip's wheels are packed anew from what is installed here. `make lambda` fetches them.
"""

import hashlib
import os
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from importlib.metadata import distribution
from pathlib import Path, PurePosixPath

import pytest

from deploy.package import COMPILED, REQUIREMENTS, SHIM, contents, fetch, pack

PACKAGES = {
    "certifi",
    "charset_normalizer",
    "idna",
    "lambda_shim",
    "mangum",
    "requests",
    "standardwebhooks",
    "typing_extensions.py",
    "urllib3",
}
RUN = """
import sys
sys.path.insert(0, sys.argv[1])
from lambda_shim.handler import handler
try:
    handler({"unknown": "shape"}, None)
except Exception as error:
    print(type(error).__module__, type(error).__name__)
ours = [module for module in sys.modules.values() if "site-packages" in (getattr(module, "__file__", None) or "")]
assert not ours, ours
assert "boto3" not in sys.modules
"""


@pytest.fixture(scope="module")
def wheels(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What requirements-lambda.txt pins, from this environment, without what is compiled for this platform."""
    folder = tmp_path_factory.mktemp("wheels")
    for name, version in _pinned():
        installed = distribution(name)
        assert installed.version == version, f"{name}: make lock has moved on; run make setup"
        with zipfile.ZipFile(folder / f"{name}-{version}-py3-none-any.whl", "w") as wheel:
            for file in installed.files or ():
                if ".." not in file.parts and file.suffix not in COMPILED:
                    wheel.write(file.locate(), file.as_posix())
    return folder


def _pinned() -> Iterator[tuple[str, str]]:
    for line in REQUIREMENTS.read_text().splitlines():
        if "==" in line:
            name, _, version = line.split()[0].partition("==")
            yield name, version


@pytest.fixture(scope="module")
def package(wheels: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    target = tmp_path_factory.mktemp("package") / "lambda_shim.zip"
    pack(contents(wheels, SHIM), target)
    return target


def test_the_same_source_gives_the_same_bytes(wheels: Path, package: Path, tmp_path: Path) -> None:
    shim, copies, target = tmp_path / "lambda_shim", tmp_path / "wheels", tmp_path / "again.zip"
    shutil.copytree(SHIM, shim, ignore=shutil.ignore_patterns("__pycache__"))
    (shim / "__pycache__").mkdir()
    (shim / "__pycache__" / "handler.cpython-313.pyc").touch()
    copies.mkdir()
    for wheel in sorted(wheels.iterdir(), reverse=True):
        shutil.copyfile(wheel, copies / wheel.name)
    for path in shim.rglob("*.py"):
        os.utime(path, (1_000_000_000, 1_000_000_000))
        path.chmod(0o600)
    mask = os.umask(0o077)
    try:
        pack(contents(copies, shim), target)
    finally:
        os.umask(mask)
    assert hashlib.sha256(target.read_bytes()).digest() == hashlib.sha256(package.read_bytes()).digest()


def test_it_holds_the_shim_what_it_imports_and_their_licences_only(package: Path) -> None:
    with zipfile.ZipFile(package) as archive:
        names = [PurePosixPath(name) for name in archive.namelist()]
    about = [name for name in names if name.parts[0].endswith(".dist-info")]
    assert {name.parts[0] for name in names} - {name.parts[0] for name in about} == PACKAGES
    assert {name.parts[1] for name in about} == {"METADATA", "licenses"}
    assert {path.name for path in SHIM.glob("*.py")} <= {name.name for name in names if name.parts[0] == "lambda_shim"}
    assert not [
        name for name in names if name.suffix in {*COMPILED, ".pyi"} or {"tests", "__pycache__"} & {*name.parts}
    ]
    assert package.stat().st_size < 3_000_000


def test_every_entry_has_the_same_time_and_permissions(package: Path) -> None:
    with zipfile.ZipFile(package) as archive:
        entries = archive.infolist()
    assert {entry.date_time for entry in entries} == {(1980, 1, 1, 0, 0, 0)}
    assert {oct(entry.external_attr >> 16) for entry in entries} == {"0o100644"}
    assert [entry.filename for entry in entries] == sorted(entry.filename for entry in entries)


def test_it_runs_without_anything_else_and_without_a_warning(package: Path, tmp_path: Path) -> None:
    with zipfile.ZipFile(package) as archive:
        archive.extractall(tmp_path)
    command = [sys.executable, "-I", "-S", "-B", "-W", "error", "-c", RUN, str(tmp_path)]
    ended = subprocess.run(command, env={}, capture_output=True, text=True, check=False)
    assert ended.stderr == ""
    assert ended.stdout.splitlines()[-1] == "lambda_shim.adapters Refused"


@pytest.mark.parametrize(
    ("wheel", "member"),
    [
        ("tiny-1-cp313-cp313-manylinux_2_17_x86_64.whl", "tiny.py"),
        ("tiny-1-py3-none-any.whl", "tiny/fast.cpython-313-x86_64-linux-gnu.so"),
    ],
)
def test_compiled_code_is_refused(tmp_path: Path, wheel: str, member: str) -> None:
    with zipfile.ZipFile(tmp_path / wheel, "w") as archive:
        archive.writestr(member, b"")
    with pytest.raises(ValueError, match=f"{wheel} holds compiled code"):
        contents(tmp_path, SHIM)


def _tiny(folder: Path, tag: str) -> Path:
    """A wheel that pip takes."""
    about = {
        "METADATA": "Metadata-Version: 2.1\nName: tiny\nVersion: 1\n",
        "WHEEL": f"Wheel-Version: 1.0\nTag: {tag}\n",
    }
    folder.mkdir(exist_ok=True)
    with zipfile.ZipFile(folder / f"tiny-1-{tag}.whl", "w") as wheel:
        for name, text in {**about, "RECORD": ""}.items():
            wheel.writestr(f"tiny-1.dist-info/{name}", text)
    return folder / f"tiny-1-{tag}.whl"


def test_the_wheel_for_every_platform_is_fetched(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    offered = [_tiny(tmp_path / "index", tag) for tag in ("py3-none-any", "cp313-cp313-manylinux_2_17_x86_64")]
    hashes = [f"--hash=sha256:{hashlib.sha256(wheel.read_bytes()).hexdigest()}" for wheel in offered]
    (tmp_path / "pins.txt").write_text(" ".join(["tiny==1", *hashes]))
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(tmp_path / "index"))
    fetch(tmp_path / "pins.txt", tmp_path / "wheels")
    assert [wheel.name for wheel in (tmp_path / "wheels").iterdir()] == ["tiny-1-py3-none-any.whl"]


def test_a_wheel_with_another_hash_is_not_taken(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    _tiny(tmp_path / "index", "py3-none-any")
    (tmp_path / "pins.txt").write_text(f"tiny==1 --hash=sha256:{'0' * 64}")
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(tmp_path / "index"))
    with pytest.raises(SystemExit, match="pip says why above"):
        fetch(tmp_path / "pins.txt", tmp_path / "wheels")
