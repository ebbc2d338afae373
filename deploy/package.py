"""`make lambda`: build/lambda_shim.zip, for both Lambda functions; the same bytes from the same source, wherever it is built.

    fetch      the pinned wheels, by pip: the one step that needs a package index
    contents   wheels and the shim's source → what goes into the zip, by name
    pack       → the zip
    measure    the time its import takes in an interpreter that has nothing else

boto3 is not in it: the Lambda runtime brings its own. Only wheels for every platform go in, so one zip serves x86_64 and
arm64; `RUNTIME` is the Python that pip chooses them for.
"""

import hashlib
import statistics
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Mapping
from pathlib import Path, PurePosixPath

ROOT = Path(__file__).parent.parent
SHIM = ROOT / "lambda_shim"
REQUIREMENTS = ROOT / "requirements-lambda.txt"
ZIP = ROOT / "build" / "lambda_shim.zip"
RUNTIME = "3.13"
RUNS = 7

COMPILED = {".so", ".pyd", ".dylib", ".dll", ".pyc"}
UNUSED = {".pyi", ".typed"}
ABOUT = ("METADATA", "licenses", "LICEN", "COPYING", "NOTICE")  # in a .dist-info: its version and its terms

IMPORT = """
import sys, time
sys.path.insert(0, sys.argv[1])
began = time.process_time()
import lambda_shim.handler
print(time.process_time() - began)
"""


def main() -> None:
    """Build and print size, hash and import time; pip's own words and exit 1 where the wheels cannot be had."""
    with tempfile.TemporaryDirectory() as folder:
        wheels, unpacked = Path(folder, "wheels"), Path(folder, "unpacked")
        fetch(REQUIREMENTS, wheels)
        files = contents(wheels, SHIM)
        ZIP.parent.mkdir(exist_ok=True)
        pack(files, ZIP)
        with zipfile.ZipFile(ZIP) as archive:
            archive.extractall(unpacked)
        seconds = measure(unpacked)
    megabytes = ZIP.stat().st_size / 1e6
    python = ".".join(map(str, sys.version_info[:2]))
    print(f"{ZIP.relative_to(ROOT)}: {megabytes:.2f} MB, {len(files)} files")
    print(f"unpacked: {sum(map(len, files.values())) / 1e6:.2f} MB")
    print(f"sha256: {hashlib.sha256(ZIP.read_bytes()).hexdigest()}")
    print(f"cold import: {seconds * 1000:.0f} ms of CPU (median of {RUNS}, Python {python} on this machine)")


def fetch(requirements: Path, wheels: Path) -> None:
    """Download what is pinned, hashes checked."""
    options = ["--quiet", "--disable-pip-version-check", "--require-hashes", "--no-deps", "--only-binary", ":all:"]
    target = ["--platform", "any", "--implementation", "py", "--abi", "none", "--python-version", RUNTIME]
    command = [
        sys.executable,
        "-m",
        "pip",
        "download",
        *options,
        *target,
        "--dest",
        str(wheels),
        "-r",
        str(requirements),
    ]
    if subprocess.run(command, check=False).returncode:  # noqa: S603
        sys.exit("The wheels cannot be had; pip says why above: is the package index reachable?")


def contents(wheels: Path, shim: Path) -> dict[str, bytes]:
    """Name in the zip → bytes. Raises ValueError for a wheel that does not run everywhere."""
    files = {f"{shim.name}/{path.relative_to(shim).as_posix()}": path.read_bytes() for path in shim.rglob("*.py")}
    for wheel in wheels.glob("*.whl"):
        with zipfile.ZipFile(wheel) as archive:
            named = {info.filename: archive.read(info) for info in archive.infolist() if not info.is_dir()}
        if not wheel.stem.endswith("-none-any") or any(PurePosixPath(name).suffix in COMPILED for name in named):
            raise ValueError(f"{wheel.name} holds compiled code, which runs on one platform only")
        files |= {name: content for name, content in named.items() if _is_used(PurePosixPath(name))}
    return files


def pack(files: Mapping[str, bytes], target: Path) -> None:
    """Write the zip. What a zip holds besides is fixed: order, time, permissions.

    Nothing is compressed, since zlib's output differs between its implementations; Lambda unpacks it anyway.
    """
    with zipfile.ZipFile(target, "w", zipfile.ZIP_STORED) as archive:
        for name, content in sorted(files.items()):
            info = zipfile.ZipInfo(name)  # of 1980-01-01
            info.create_system = 3  # Unix, on Windows too
            info.external_attr = 0o100644 << 16
            archive.writestr(info, content)


def measure(unpacked: Path) -> float:
    """Seconds of CPU that a fresh interpreter needs to import the handler, as a median.

    As in Lambda, there is no bytecode and none is kept. Wall time would tell how busy this machine is.
    """
    command = [sys.executable, "-I", "-S", "-B", "-c", IMPORT, str(unpacked)]
    runs = [subprocess.run(command, env={}, capture_output=True, check=True) for _ in range(RUNS)]  # noqa: S603
    return statistics.median(float(run.stdout) for run in runs)


def _is_used(name: PurePosixPath) -> bool:
    top = name.parts[0]
    if top.endswith(".dist-info"):
        return name.parts[1].startswith(ABOUT)
    return not top.endswith(".data") and name.suffix not in UNUSED and not {"test", "tests"} & set(name.parts)


if __name__ == "__main__":
    main()
