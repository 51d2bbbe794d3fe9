"""A package that can't be imported is named with the cause and what to install."""

import ctypes
import subprocess
import sys
from pathlib import Path

import pytest
import sklearn

from operations.errors import InstallError
from operations.install.imports import _system_loads, check_imports, import_failure, provide_openmp


def test_packages_that_load_pass() -> None:
    check_imports(Path(sys.executable), {"the library": "json", "email": "email.message"})


def test_the_first_that_does_not_load_is_named() -> None:
    with pytest.raises(
        InstallError, match=r"^absent is installed and can't be imported: .*No module named 'ab_s'"
    ):
        check_imports(Path(sys.executable), {"fine": "json", "absent": "ab_s", "also": "ab_t"})


def test_a_missing_library_names_the_package_that_has_it() -> None:
    said = "Traceback\nImportError: libgomp.so.1: cannot open shared object file: No such file or directory\n"
    line = import_failure("implicit", 1, said)
    assert "implicit is installed" in line and "libgomp.so.1" in line
    assert "apt install libgomp1" in line and "dnf install libgomp" in line
    other = import_failure("torch", 1, said.replace("libgomp.so.1", "libcudnn.so.9"))
    assert "apt-file search libcudnn.so.9" in other


def test_a_process_that_was_ended_is_told_by_its_signal() -> None:
    assert "signal 9. The system ended it, most often for lack of memory" in import_failure("torch", -9, "")


NEEDS_OPENMP = "import ctypes; ctypes.CDLL('libgomp.so.1').omp_get_max_threads()"


def test_the_bundled_openmp_goes_by_the_systems_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever asks for libgomp.so.1 by name gets the copy: no other file of that name is opened."""
    real = next(Path(path) for path in sys.path if (Path(path) / "scikit_learn.libs").is_dir())
    packages = tmp_path / "lib" / "python3.11" / "site-packages"
    packages.mkdir(parents=True)
    (packages / "scikit_learn.libs").symlink_to(real / "scikit_learn.libs")
    monkeypatch.setattr("operations.install.imports._system_loads", lambda library: False)
    provide_openmp(tmp_path, "Linux")
    hook = (packages / "shortlist_openmp.pth").read_text()
    shown = "; print([line.split()[-1] for line in open('/proc/self/maps') if 'gomp' in line])"
    code = hook + NEEDS_OPENMP + shown
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert str(tmp_path / "lib" / "libgomp.so.1") in done.stdout
    assert "/usr/lib" not in done.stdout


def test_a_system_that_has_openmp_keeps_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    packages = tmp_path / "lib" / "python3.11" / "site-packages"
    packages.mkdir(parents=True)
    (packages / "shortlist_openmp.pth").write_text("")
    monkeypatch.setattr("operations.install.imports._system_loads", lambda library: True)
    provide_openmp(tmp_path, "Linux")
    assert not list(packages.iterdir())


def test_a_copy_that_this_process_has_loaded_is_not_the_systems(tmp_path: Path) -> None:
    """`make up` in an activated environment runs the Python whose hook has loaded the copy."""
    (bundled,) = (Path(sklearn.__file__).parents[1] / "scikit_learn.libs").glob("libgomp-*.so*")
    named = tmp_path / "libownomp.so.1"
    name = bundled.name.encode()
    named.write_bytes(
        bundled.read_bytes().replace(name + b"\0", named.name.encode().ljust(len(name) + 1, b"\0"))
    )
    ctypes.CDLL(str(named))
    ctypes.CDLL(named.name)  # loaded, so that the name alone is enough
    assert not _system_loads(named.name)
    assert _system_loads("libc.so.6")
