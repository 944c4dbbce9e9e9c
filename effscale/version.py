"""The version, and that of files, so that packaging reads it without imports."""

VERSION = "0.1.0"

#: What files of unfinished and finished trainings call themselves.
CHECKPOINT = "effscale checkpoint 2"
