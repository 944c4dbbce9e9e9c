"""Networks as layers: operators, blocks, cells, stages, necks and heads."""
