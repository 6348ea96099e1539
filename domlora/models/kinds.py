"""The canonical kinds of modules: which there are, their groups and order, and how a module's name tells its kind.

    q k v o, qkv            attention          q_a q_b kv_a kv_b     its low-rank halves (DeepSeek's MLA)
    gate up down, gate_up   feed-forward       shared.gate ...       the expert that every token goes through
    router, shared.router   who goes where     expert.gate_up ...    all experts of a block, one 3-D weight
    ssm.in ssm.x ssm.dt ssm.out                Mamba's projections

One kind a role lines up the maps of different architectures. Plain data and patterns: no torch here, so that the
command line and the dashboard read it too.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

KINDS = (  # as data flows through a block
    "q_a", "q_b", "q", "kv_a", "kv_b", "k", "v", "qkv", "o", "ssm.in", "ssm.x", "ssm.dt", "ssm.out",
    "gate", "up", "gate_up", "down", "shared.router", "shared.gate", "shared.up", "shared.down",
    "router", "expert.gate", "expert.up", "expert.gate_up", "expert.down",
)  # fmt: skip
COMMON_KINDS = ("q", "k", "v", "qkv", "o", "gate", "up", "gate_up", "down", "router")
ATTENTION_KINDS = ("q", "k", "v", "qkv", "o", "q_a", "q_b", "kv_a", "kv_b")
MLP_KINDS = (
    "gate", "up", "gate_up", "down", "shared.gate", "shared.up", "shared.down",
    "expert.gate", "expert.up", "expert.gate_up", "expert.down",
)  # fmt: skip
ROUTER_KINDS = ("router", "shared.router")

EXPERT_PARAMETERS = {  # the 3-D weights of fused experts
    "gate_up_proj": "expert.gate_up",
    "gate_proj": "expert.gate",
    "up_proj": "expert.up",
    "down_proj": "expert.down",
}

_ATTENTION = (
    r"(?:self_attn|self_attention|attention|attn|SelfAttention|EncDecAttention|encoder_attn|crossattention|cross_attn)"
)
# By a module's path inside its block; the first match wins. Attention before the feed-forward part: `dense` and
# `c_proj` are the output projection there and the down projection here.
_PATTERNS = (
    (r"(?:^|\.)shared_experts?\.(?:\w+\.)?gate_proj$", "shared.gate"),
    (r"(?:^|\.)shared_experts?\.(?:\w+\.)?up_proj$", "shared.up"),
    (r"(?:^|\.)shared_experts?\.(?:\w+\.)?down_proj$", "shared.down"),
    (r"(?:^|\.)shared_expert_gate$", "shared.router"),
    (r"(?:^|\.)experts\.\d+\.(?:gate_proj|w1)$", "expert.gate"),
    (r"(?:^|\.)experts\.\d+\.(?:up_proj|w3)$", "expert.up"),
    (r"(?:^|\.)experts\.\d+\.(?:down_proj|w2)$", "expert.down"),
    (r"(?:^|\.)q_a_proj$", "q_a"),
    (r"(?:^|\.)q_b_proj$", "q_b"),
    (r"(?:^|\.)kv_a_proj(?:_with_mqa)?$", "kv_a"),
    (r"(?:^|\.)kv_b_proj$", "kv_b"),
    (r"(?:^|\.)(?:mamba\w*|mixer|ssm)\.in_proj$", "ssm.in"),
    (r"(?:^|\.)(?:mamba\w*|mixer|ssm)\.x_proj$", "ssm.x"),
    (r"(?:^|\.)(?:mamba\w*|mixer|ssm)\.dt_proj$", "ssm.dt"),
    (r"(?:^|\.)(?:mamba\w*|mixer|ssm)\.out_proj$", "ssm.out"),
    (r"(?:^|\.)(?:qkv_proj|query_key_value|c_attn|Wqkv|W_pack|qkv)$", "qkv"),
    (r"(?:^|\.)(?:q_proj|query|query_proj|q_lin|wq|q)$", "q"),
    (r"(?:^|\.)(?:k_proj|key|key_proj|k_lin|wk|k)$", "k"),
    (r"(?:^|\.)(?:v_proj|value|value_proj|v_lin|wv|v)$", "v"),
    (rf"(?:^|\.){_ATTENTION}\.(?:.*\.)?(?:o_proj|out_proj|dense|c_proj|out_lin|wo|Wo|o)$", "o"),
    (r"(?:^|\.)(?:o_proj)$", "o"),
    (r"(?:^|\.)(?:gate_up_proj|mlp\.Wi)$", "gate_up"),
    (r"(?:^|\.)(?:router|(?:mlp|moe|mixer|feed_forward|block_sparse_moe)\.gate)(?:\.\w+)?$", "router"),
    (r"(?:^|\.)(?:gate_proj|wi_0)$", "gate"),
    (r"(?:^|\.)(?:up_proj|wi_1|wi|fc1|fc_in|c_fc|dense_h_to_4h|intermediate\.dense|lin1|ffn)$", "up"),
    (r"(?:^|\.)(?:down_proj|fc2|fc_out|c_proj|dense_4h_to_h|output\.dense|lin2|wo|Wo|ffn_output)$", "down"),
)


def kind_of(path: str) -> str:
    """The kind of the module at this path inside its block (`mlp.down_proj` -> `down`), else its own last names."""
    for pattern, kind in _PATTERNS:
        if re.search(pattern, path):
            return kind
    parts = path.split(".")
    named = max(i for i, part in enumerate(parts) if not part.isdigit() or i == 0)
    return ".".join(parts[named:])  # with the indices of a list of modules


def in_order(kinds: Iterable[str]) -> list[str]:
    """Known kinds as data flows through a block, then the others by name; each once."""
    present = set(kinds)
    return [kind for kind in KINDS if kind in present] + sorted(present.difference(KINDS))
