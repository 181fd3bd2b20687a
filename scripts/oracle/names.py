"""Where a tensor of a Hugging Face model lies in a pack: transposed or not, and which rows of a canonical tensor."""

from typing import NamedTuple

import torch


class Place(NamedTuple):
    tensor: str  # canonical name, without ".weight" or ".bias" where the parameter's own is added
    begin: int = 0
    end: int = 0  # 0: all rows
    rows: int = 0  # of the canonical tensor
    transposed: bool = False

    def fused(self):
        return self.end != 0 and (self.begin, self.end) != (0, self.rows)

    def adapter(self):
        """The name of an adapter's tensors on this weight: LoraTarget in proto/mft/v1/model.proto."""
        return f"{self.tensor}[{self.begin}:{self.end}]" if self.fused() else self.tensor


def base_name(name):
    """The parameter's name without what peft puts around it."""
    return name.removeprefix("base_model.model.").replace(".base_layer", "")


def assemble(place_of, tensors):
    """(Hugging Face name, values) pairs -> {canonical name: values}, fused ones whole."""
    found = {}
    for name, value in tensors:
        place = place_of(base_name(name))
        value = value.detach()
        value = value.T if place.transposed else value
        if not place.fused():
            assert place.tensor not in found, place.tensor
            found[place.tensor] = value
            continue
        whole = found.setdefault(place.tensor, torch.full((place.rows, *value.shape[1:]), torch.nan, dtype=value.dtype))
        whole[place.begin:place.end] = value
    for name, value in found.items():
        assert not value.isnan().any(), f"{name} has gaps"
    return found
