"""Encoding in fewer bits than 32, by OpenVINO: linear layers in eight bits, or all in bfloat16.

Where a processor has units that multiply matrices of bfloat16 (Intel's AMX), these are quicker than integers,
and nearer to 32 bits. Elsewhere a layer is a product of integers: weights are rounded once, row by row; the
inputs as they come, in groups of numbers ("dynamic quantization" in OpenVINO's documentation). All else is
computed in 32 bits; on a processor without such instructions the inputs are, too.
"""

import importlib.util
import inspect
import logging
import os
import sys
import warnings
from pathlib import Path
from threading import local
from typing import TYPE_CHECKING, Any, cast

import numpy as np

from training.errors import TrainingError
from training.models.core.types import FloatArray

if TYPE_CHECKING:
    from sentence_transformers import SentenceTransformer

LEAST_COSINE = 0.99
"""Between a text's vectors by 32 bits and by fewer. The model that comes with Shortlist has .998 or more by
eight bits, .9999 by bfloat16."""
SAMPLE = (
    "red mug",
    "A set of six hand-painted teacups, microwave safe, in a gift box with ribbon; 250 ml each.",
    "USB-C 3.2 cable 2m",
    "вязаный шарф из шерсти",
    "9",
)
"""Texts by which the two are compared when a model is loaded."""

_GROUP = 64
"""Numbers of a layer's input that share a scale. Of the ten nearest of 20,000 Amazon titles 96.3 % stay the
same; with 128 numbers 95.6 %, and it is no faster."""
_LARGEST = 127
_INT8_BATCH, _BFLOAT16_BATCH = 16, 32


class LowPrecisionError(TrainingError):
    """A model can't be computed in fewer bits, or differs too much when it is."""


def available() -> bool:
    """Whether OpenVINO is installed: requirements.txt has it for Linux on x86-64."""
    return importlib.util.find_spec("openvino") is not None


def multiplies_bfloat16() -> bool:
    """Whether this processor has units for products of bfloat16 matrices."""
    try:
        return "amx_bf16" in Path("/proc/cpuinfo").read_text().split()
    except OSError:  # no Linux, or one that tells nothing
        return False


def compute_in_low_precision(model: "SentenceTransformer") -> int:
    """Replace the transformer inside a sentence-transformers model by one of fewer bits.

    The model's own code still reads texts, pools and normalises. Several threads may encode with it at once.

    Returns how many texts it encodes together: larger batches were slower.

    Raises LowPrecisionError, and leaves the model as it was, when it has no transformer or one that can't be
    converted, or when a vector of SAMPLE is further than LEAST_COSINE from what it was.
    """
    module: Any = model[0]
    if not hasattr(module, "model"):
        raise LowPrecisionError(f"{type(module).__name__} is no transformer")
    before = module.model
    exact, bfloat16 = _encode(model), multiplies_bfloat16()
    try:
        module.model = _compiled(module, model.preprocess(list(SAMPLE)), bfloat16=bfloat16)
        rounded = _encode(model)
    except Exception as error:  # whatever a model's own code says to being traced
        module.model = before
        raise LowPrecisionError(f"{type(before).__name__} can't be converted: {error}") from error
    worst = float((exact * rounded).sum(axis=1).min())
    if not worst >= LEAST_COSINE:
        module.model = before
        raise LowPrecisionError(f"a vector's cosine with the exact one is {worst:.4f}, under {LEAST_COSINE}")
    return _BFLOAT16_BATCH if bfloat16 else _INT8_BATCH


def _encode(model: "SentenceTransformer") -> FloatArray:
    vectors = model.encode(list(SAMPLE), normalize_embeddings=True, show_progress_bar=False)
    return np.asarray(vectors, dtype=np.float32)


def _compiled(module: Any, features: dict[str, Any], *, bfloat16: bool) -> Any:
    """What stands in for a Transformer module's torch model: called alike, with the same inputs."""
    import torch
    from transformers.modeling_outputs import BaseModelOutput

    inputs = [
        name
        for name in ("input_ids", "attention_mask", "token_type_ids")
        if name in features and name in inspect.signature(module.model.forward).parameters
    ]
    converted = _converted(module.model, {name: features[name] for name in inputs})
    if bfloat16:
        compiled = _compile(converted, {"INFERENCE_PRECISION_HINT": "bf16"})
    else:
        _round_weights(converted)
        compiled = _compile(
            converted, {"INFERENCE_PRECISION_HINT": "f32", "DYNAMIC_QUANTIZATION_GROUP_SIZE": _GROUP}
        )

    class CompiledModel(torch.nn.Module):
        def __init__(self, config: Any) -> None:
            super().__init__()
            self.config = config
            self.requests = local()

        def forward(self, **given: Any) -> BaseModelOutput:
            if not hasattr(self.requests, "own"):  # one can't be used by two threads at once
                self.requests.own = compiled.create_infer_request()
            found = self.requests.own.infer([given[name].numpy() for name in inputs])
            return BaseModelOutput(last_hidden_state=torch.from_numpy(found[0].copy()))

    return CompiledModel(module.model.config)


def _converted(model: Any, example: dict[str, Any]) -> Any:
    """The model in OpenVINO's operations."""
    import torch
    from transformers.utils.logging import get_verbosity, set_verbosity

    openvino = _openvino()

    class Hidden(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.model = model

        def forward(self, *inputs: Any) -> Any:
            given = dict(zip(example, inputs, strict=True))
            return self.model(**given, return_dict=True).last_hidden_state

    verbosity = get_verbosity()
    set_verbosity(logging.ERROR)
    try:
        with torch.no_grad(), warnings.catch_warnings():
            warnings.simplefilter("ignore")  # tracing warns of each branch that it takes
            converted = openvino.convert_model(Hidden(), example_input=tuple(example.values()))
    finally:
        set_verbosity(verbosity)
    return converted


def _round_weights(converted: Any) -> None:
    """Store each constant matrix that a layer multiplies by as int8, with the largest of a row at 127."""
    from openvino import opset13

    for layer in converted.get_ops():
        if layer.get_type_name() != "MatMul" or not layer.get_attributes()["transpose_b"]:
            continue
        source = layer.input_value(1).get_node()
        if source.get_type_name() != "Constant" or source.data.ndim != 2:
            continue
        weights = np.asarray(source.data, dtype=np.float32)  # [outputs, inputs]
        scales = np.maximum(np.abs(weights).max(axis=1, keepdims=True), np.finfo(np.float32).tiny) / _LARGEST
        rounded = opset13.constant(np.rint(weights / scales).astype(np.int8))
        restored = opset13.multiply(opset13.convert(rounded, "f32"), opset13.constant(scales))
        layer.input(1).replace_source_output(restored.output(0))


def _compile(converted: Any, precision: dict[str, Any]) -> Any:
    """Each call runs on one thread, and as many run at once as there are cores: quicker than one call at a
    time on all of them.
    """
    streams = os.cpu_count() or 1
    return (
        _openvino()
        .Core()
        .compile_model(
            converted,
            "CPU",
            {
                "INFERENCE_NUM_THREADS": streams,
                "NUM_STREAMS": streams,
                "ENABLE_CPU_PINNING": False,  # other processes use these cores as well
                **precision,
            },
        )
    )


def _openvino() -> Any:
    """The library, without the reports that it sends to its makers at each import."""
    sys.modules.setdefault("openvino_telemetry", cast(Any, None))  # then it can't be imported
    import openvino

    return openvino
