"""The base classes of services that were written for the server before TorchServe."""
