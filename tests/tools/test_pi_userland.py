from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from edgetune.errors import ExportError, StorageError
from tools.pi_userland import PiUserland


@pytest.fixture(scope="module")
def pi() -> PiUserland:
    return PiUserland.ready()


def test_it_is_an_arm_machine_with_the_runtimes_of_this_one(pi: PiUserland) -> None:
    program = (
        "import platform, numpy, onnxruntime; print(platform.machine(), numpy.__version__, onnxruntime.__version__)"
    )
    here = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout.split()
    assert pi.run(["-c", program]).stdout.split() == ["aarch64", *here[1:]]


def test_the_second_call_builds_nothing(pi: PiUserland) -> None:
    made = pi.root.stat().st_mtime_ns
    assert PiUserland.ready() == pi
    assert pi.root.stat().st_mtime_ns == made


def test_an_instruction_that_the_a72_lacks_ends_the_program(pi: PiUserland) -> None:
    # sdot v0.4s, v0.16b, v0.16b is Armv8.2's dot product, then ret; the A72 is Armv8.0.
    code = "0x4e809400, 0xd65f03c0"
    program = (
        "import ctypes, mmap, struct\n"
        "page = mmap.mmap(-1, 4096, prot=mmap.PROT_READ | mmap.PROT_WRITE | mmap.PROT_EXEC)\n"
        "page.write(struct.pack('<2I', {}))\n"
        "ctypes.CFUNCTYPE(None)(ctypes.addressof(ctypes.c_char.from_buffer(page)))()\n"
        "print('done')"
    )
    with pytest.raises(ExportError, match="an instruction that the board lacks"):
        pi.run(["-c", program.format(code)])
    add = "0x4ea08400, 0xd65f03c0"  # add v0.4s, v0.4s, v0.4s is in every Armv8
    assert pi.run(["-c", program.format(add)]).stdout == "done\n"


def test_the_command_hands_on_arguments_output_and_exit_code(pi: PiUserland, tmp_path: Path) -> None:
    script = tmp_path / "script.py"
    script.write_text("import sys; print(sys.argv[1:]); sys.exit(3)")
    command = [sys.executable, "-m", "tools.pi_userland", "run", "--", str(script), "a", "--b"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (done.stdout, done.returncode) == ("['a', '--b']\n", 3)


def test_a_cache_that_cannot_be_is_an_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv("EDGETUNE_CACHE", str(tmp_path / "file" / "x"))
    with pytest.raises(StorageError, match="no folder can be made here"):
        PiUserland.ready()
