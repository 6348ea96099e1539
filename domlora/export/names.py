"""How folders and files of what is taken away are called, where several modules name them."""

ADAPTER = "adapter"  # the PEFT adapter
UNIFORM = "adapter_uniform"  # the same at one rank
MERGED = "merged"  # the base with the adapter in its weights
ADAPTER_GGUF, MERGED_GGUF = "adapter.gguf", "merged.gguf"
CURVES = "curves.svg"
