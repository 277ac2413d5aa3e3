"""Fetching a model from the Hugging Face hub. Needs huggingface_hub."""

from __future__ import annotations

from typing import Any

#: Weights and what belongs to them, but no exports of other frameworks.
_WANTED = ["*.json", "*.txt", "*.model", "*.pt", "*.pth", "*.bin", "*.safetensors"]


def download_model(
    model_id: str = "meta-llama/Meta-Llama-3.1-8B-Instruct",
    revision: str = "main",
    model_path: str = ".cache",
    use_auth_token: Any = True,
) -> str:
    """Downloads a snapshot below `model_path` and returns its folder. `use_auth_token` True means the saved token."""
    from huggingface_hub import snapshot_download

    return snapshot_download(
        repo_id=model_id, revision=revision, cache_dir=model_path, allow_patterns=_WANTED, token=use_auth_token
    )
