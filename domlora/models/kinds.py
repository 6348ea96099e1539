"""The canonical kinds of modules: which there are, in the order of the data's flow, and how names tell them."""

from __future__ import annotations

COMMON_KINDS = ("q", "k", "v", "qkv", "o", "gate", "up", "gate_up", "down", "router")
ATTENTION_KINDS = ("q", "k", "v", "qkv", "o", "q_a", "q_b", "kv_a", "kv_b")
MLP_KINDS = (
    "gate", "up", "gate_up", "down", "shared.gate", "shared.up", "shared.down",
    "expert.gate", "expert.up", "expert.gate_up", "expert.down",
)  # fmt: skip
ROUTER_KINDS = ("router", "shared.router")
KINDS = (*ATTENTION_KINDS, *MLP_KINDS, *ROUTER_KINDS, "ssm.in", "ssm.x", "ssm.dt", "ssm.out")
