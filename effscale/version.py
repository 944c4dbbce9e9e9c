"""The version, and that of files, so that packaging reads it without imports."""

VERSION = "0.2.0"

#: What every JSON answer begins with; `schema` rises when a key changes its meaning.
STAMP = {"effscale": VERSION, "schema": 1}

#: What files of unfinished and finished trainings call themselves.
CHECKPOINT = "effscale checkpoint 2"
