"""The file of a network that learns the digits in seconds."""

from __future__ import annotations

TEXT = """
name: small
resolution: 8
image_channels: 1
norm: {eps: 0.001, momentum: 0.1}
stochastic_depth: 0.2
stem: {kernel: 3, stride: 2, channels: 8}
stages:
  - {block: mbconv, kernel: 3, stride: 1, expand_ratio: 2, channels: 8, repeats: 2}
  - {block: mbconv, kernel: 3, stride: 2, expand_ratio: 2, channels: 16, repeats: 1}
head: {channels: 32, classes: 2, dropout: 0.2}
"""
