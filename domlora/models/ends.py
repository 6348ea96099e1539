"""Input embedding and output head of a model: their names and sizes, which no energy map has, without its weights.

In: a model, or the files of one. Out: its `Ends`. What PEFT cannot adapt there is left out: an embedding that is none
of torch's, one that an encoder and a decoder read copies of, a head that is no linear layer.
"""

from __future__ import annotations

from torch import nn
from transformers import PreTrainedModel

from domlora.models.fetch import LocalModel
from domlora.models.loading import empty_model
from domlora.models.modules import End, Ends


def ends_of(local: LocalModel) -> Ends:
    """Of a model whose files are here; its weights are not read.

    Raises:
        ModelError: as `empty_model`.
    """
    return find_ends(empty_model(local))


def find_ends(model: PreTrainedModel) -> Ends:
    """Of a model of transformers, with its weights or on the `meta` device."""
    names = {module: name for name, module in model.named_modules()}
    embedding, head = model.get_input_embeddings(), model.get_output_embeddings()
    embed = None
    if isinstance(embedding, nn.Embedding) and not getattr(model.config, "is_encoder_decoder", False):
        embed = End(names[embedding], embedding.num_embeddings, embedding.embedding_dim)
    last = End(names[head], head.in_features, head.out_features) if isinstance(head, nn.Linear) else None
    tied = head is not None and getattr(head, "weight", None) is getattr(embedding, "weight", None)
    return Ends(embed, last, tied)
