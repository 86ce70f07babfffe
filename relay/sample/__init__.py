"""The commented files that `denrei init` writes; docs/configuration.md explains each key of them."""
