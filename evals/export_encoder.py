"""Writes the graph of the default embedding model, without its weights: `python -m evals.export_encoder`.

`indexing/embedding.py` maps the weights into it from the package that ships them, so they are stored once, in full
precision. It has no attention mask: texts are embedded one at a time. Needs the package onnx, which nothing else does.
"""

from __future__ import annotations

from importlib import import_module
from pathlib import Path
from typing import Any

from indexing.embedding import GRAPH, default_model_folder


def export(folder: Path, path: Path) -> None:
    """Trace the model of a sentence-transformers folder; the initializers keep the names of the weights' file."""
    import torch
    from transformers import AutoModel

    onnx = import_module("onnx")

    class LastHidden(torch.nn.Module):
        def __init__(self, model: Any) -> None:
            super().__init__()
            self.model = model

        def forward(self, input_ids: Any) -> Any:
            return self.model(input_ids=input_ids).last_hidden_state

    model = AutoModel.from_pretrained(str(folder), attn_implementation="eager").eval()
    dynamic = {0: "batch", 1: "tokens"}
    torch.onnx.export(
        LastHidden(model),
        (torch.tensor([[101, 2054, 2003, 102]] * 2),),
        str(path),
        input_names=["input_ids"],
        output_names=["last_hidden_state"],
        dynamic_axes={"input_ids": dynamic, "last_hidden_state": dynamic},
        opset_version=17,
        dynamo=False,
        do_constant_folding=False,  # would merge weights with their transposes, under other names
    )
    graph = onnx.load(str(path))
    prefix = "model."
    for node in graph.graph.node:
        for place, name in enumerate(node.input):
            node.input[place] = name.removeprefix(prefix)
    for weight in graph.graph.initializer:
        weight.name = weight.name.removeprefix(prefix)
        weight.ClearField("raw_data")
        weight.data_location = onnx.TensorProto.EXTERNAL
        place = weight.external_data.add()
        place.key, place.value = "location", "given by the program"
    path.write_bytes(graph.SerializeToString())


if __name__ == "__main__":
    export(default_model_folder(), GRAPH)
    print(f"wrote {GRAPH}, {GRAPH.stat().st_size / 1e3:.0f} KB")
