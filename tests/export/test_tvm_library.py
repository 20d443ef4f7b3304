from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import pytest

from edgetune.device.profile import shipped_profiles
from edgetune.errors import ExportError, MissingDependencyError, ModelFileError
from edgetune.export import linker
from edgetune.export.agreement import compare_logits, torch_logits_of
from edgetune.export.tuning.tasks import tasks_of
from edgetune.export.tvm_library import compile_tvm, host_target, import_onnx, registers_of
from edgetune.export.verify import logits_on, python_here
from edgetune.nets.network import Network


@pytest.fixture(scope="module")
def host_library(hswish_onnx: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    library = tmp_path_factory.mktemp("tvm") / "model.tvm.so"
    compile_tvm(hswish_onnx, library, tvm_target=host_target())
    return library


def test_logits_equal_those_of_torch(hswish_network: Network, host_library: Path, test_pictures: np.ndarray) -> None:
    logits = logits_on(python_here, host_library, test_pictures)
    compare_logits(torch_logits_of(hswish_network, test_pictures), logits).require("model.tvm.so", tolerance=1e-5)


def test_the_same_file_gives_the_same_bytes(hswish_onnx: Path, host_library: Path, tmp_path: Path) -> None:
    compile_tvm(hswish_onnx, tmp_path / "again.so", tvm_target=host_target())
    assert (tmp_path / "again.so").read_bytes() == host_library.read_bytes()


def test_an_operator_that_tvm_lacks_is_named(tmp_path: Path) -> None:
    node = onnx.helper.make_node("MadeUp", ["pixels"], ["logits"], domain="nobody")
    float_row = [onnx.helper.make_tensor_value_info(n, onnx.TensorProto.FLOAT, [1, 4]) for n in ("pixels", "logits")]
    graph = onnx.helper.make_graph([node], "g", float_row[:1], float_row[1:])
    imports = [onnx.helper.make_opsetid("", 17), onnx.helper.make_opsetid("nobody", 1)]
    onnx.save(onnx.helper.make_model(graph, opset_imports=imports), tmp_path / "odd.onnx")
    with pytest.raises(ExportError, match="MadeUp"):
        import_onnx(tmp_path / "odd.onnx")


def float_values(*shapes: list[int | str], type: int = onnx.TensorProto.FLOAT) -> list[onnx.ValueInfoProto]:
    return [onnx.helper.make_tensor_value_info(f"v{i}", type, shape) for i, shape in enumerate(shapes)]


def saved(nodes: list[onnx.NodeProto], values: list[onnx.ValueInfoProto], path: Path, **constants: np.ndarray) -> Path:
    """A model from the first of `values` to the last."""
    weights = [onnx.numpy_helper.from_array(value, name) for name, value in constants.items()]
    graph = onnx.helper.make_graph(nodes, "g", values[:1], values[-1:], weights)
    onnx.save(onnx.helper.make_model(graph, opset_imports=[onnx.helper.make_opsetid("", 17)]), path)
    return path


def conv(weights: str = "w") -> onnx.NodeProto:
    return onnx.helper.make_node("Conv", ["v0", weights], ["v1"])


WEIGHTS = np.ones((4, 3, 1, 1), np.float32)


def test_an_open_size_is_refused(tmp_path: Path) -> None:
    values = float_values(["batch", 3, 8, 8], ["batch", 4, 8, 8])
    with pytest.raises(ModelFileError, match=r"v0.*open size.*batch of 1"):
        import_onnx(saved([conv()], values, tmp_path / "open.onnx", w=WEIGHTS))


def test_weights_that_are_not_there_are_refused(tmp_path: Path) -> None:
    values = float_values([1, 3, 8, 8], [1, 4, 8, 8])
    with pytest.raises(ModelFileError, match=r"not a valid model.*none"):
        import_onnx(saved([conv("none")], values, tmp_path / "missing.onnx", w=WEIGHTS))


def test_shapes_that_do_not_fit_are_refused(tmp_path: Path) -> None:
    values = float_values([1, 5, 8, 8], [1, 4, 8, 8])
    with pytest.raises((ModelFileError, ExportError), match=r"shapes\.onnx"):
        import_onnx(saved([conv()], values, tmp_path / "shapes.onnx", w=WEIGHTS))


def test_what_the_importer_asserts_is_an_error_of_ours(tmp_path: Path) -> None:
    pool = onnx.helper.make_node("MaxPool", ["v0"], ["p", "i"], kernel_shape=[2, 2], strides=[2, 2])
    unpool = onnx.helper.make_node("MaxUnpool", ["p", "i"], ["v1"], kernel_shape=[2, 2], strides=[2, 2])
    values = float_values([1, 3, 8, 8], [1, 3, 8, 8])
    with pytest.raises(ExportError, match="TVM cannot read it"):
        import_onnx(saved([pool, unpool], values, tmp_path / "unpool.onnx"))


def test_kernels_of_other_types_are_compiled_and_not_timed(tmp_path: Path) -> None:
    values = float_values([1, 3, 8, 8], [1, 4, 8, 8], type=onnx.TensorProto.FLOAT16)
    model = saved([conv()], values, tmp_path / "half.onnx", w=WEIGHTS.astype(np.float16))
    assert tasks_of(model, registers_of(host_target())) == []
    compile_tvm(model, tmp_path / "half.so", tvm_target=host_target())


def test_without_a_linker_the_mend_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("shutil.which", lambda name: None)
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(MissingDependencyError, match="pip install ziglang"):
        linker.link_command("aarch64-linux-gnu")


def test_a_failed_link_says_what_the_linker_said(tmp_path: Path) -> None:
    (tmp_path / "broken.o").write_text("no object")
    link = linker.shared_library_linker(linker.host_triple())
    with pytest.raises(ExportError, match=r"broken\.o"):
        link(str(tmp_path / "a.so"), [str(tmp_path / "broken.o")])


ELF_MACHINES = {"x86_64-linux-gnu": 62, "aarch64-linux-gnu": 183}


@pytest.mark.parametrize("cpu", ["cortex-a53", "cortex-a55", "cortex-a72", "cortex-a76"])
def test_boards_are_compiled_for_from_their_profiles(cpu: str, dense_onnx: Path, tmp_path: Path) -> None:
    profile = next(p for p in shipped_profiles() if p.target.cpu == cpu and "gnu" in p.target.triple)
    compile_tvm(dense_onnx, tmp_path / "model.so", tvm_target=profile.tvm_target)
    header = (tmp_path / "model.so").read_bytes()[:20]
    assert header[:4] == b"\x7fELF"
    assert int.from_bytes(header[18:20], "little") == ELF_MACHINES[profile.target.triple]


def test_the_host_target_has_nothing_that_the_system_does_not_find_on_the_processor() -> None:
    """A virtual machine of a processor with AVX-512 may lack it; the processor's name does not tell."""
    import tvm

    target, flags = tvm.target.Target(host_target()), Path("/proc/cpuinfo").read_text().split()
    for feature in ("avx512f", "avx2", "fma"):
        assert not tvm.target.codegen.llvm_cpu_has_features(feature, target) or feature in flags
