"""The baseline with the coefficients that a study has found."""

from __future__ import annotations

from typing import TYPE_CHECKING

from effscale.errors import StudyError
from effscale.spec.dumping import dumps
from effscale.spec.loading import loads
from effscale.spec.models import Coefficients
from effscale.version import VERSION

if TYPE_CHECKING:
    from collections.abc import Sequence

    from effscale.study.folder import Study
    from effscale.study.objective import Objective
    from effscale.study.ranking import Standing


def winner(study: Study, ranked: Sequence[Standing], objective: Objective) -> str:
    """YAML of the baseline, its `coefficients:` those of the best reward.

    Raises:
        StudyError: if no candidate has a reward yet.
    """
    best = ranked[0]
    if best.reward is None or best.mean is None:
        raise StudyError(f"{study.folder}: no candidate has a reward yet")
    keys = ("alpha", "beta", "gamma")
    found = Coefficients(**{key: best.figures[key] for key in keys})
    baseline = loads(study.header.spec, str(study.folder))
    spread = "" if best.spread is None else f" ± {best.spread:.4f}"
    seeds = f"{len(best.outcomes)} seed" + "s" * (len(best.outcomes) > 1)
    comment = (
        f"{baseline.name} with the coefficients found by effscale {VERSION}: of "
        f"{len(ranked)} candidates the best by\n"
        f"{objective.text}\n"
        f"accuracy {best.mean:.4f}{spread} of {seeds}, by\n"
        f"{study.header.command}"
    )
    return dumps(baseline.model_copy(update={"coefficients": found}), comment)
