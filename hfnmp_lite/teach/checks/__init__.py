"""Checks of the course's exercises: did I get it right, and if not, why not?

`check_<name>(fn)` calls a student's function on small cases and returns a `Verdict`, which a
notebook shows as a green or red note. A check never raises and never stops "Run All". Expected
values are worked out by hand or in plain Python, never with the code that the exercise leads to.
"""

from hfnmp_lite.teach.checks.ablations import (
    check_best_of_many,
    check_gains_of_both,
    check_mean_gain,
    check_paired_gains,
)
from hfnmp_lite.teach.checks.attributions import (
    check_integrated_gradients,
    check_occlusion_change,
    check_share_inside,
    check_stream_shapley,
)
from hfnmp_lite.teach.checks.cues import (
    check_apparent_frequency,
    check_cue_change,
    check_peak_frequency,
    check_pitch_in_pixels,
    check_shift,
)
from hfnmp_lite.teach.checks.fusion import (
    check_fuse,
    check_gradient_norms,
    check_one_conv,
    check_two_losses,
)
from hfnmp_lite.teach.checks.judging import (
    check_best_in_hindsight,
    check_draw_subjects,
    check_eer_threshold,
    check_iso_rates,
)
from hfnmp_lite.teach.checks.lbp import (
    check_lbp_code,
    check_lbp_map,
    check_nearly_black,
    check_one_level,
    check_smallest_rotation,
)
from hfnmp_lite.teach.checks.meta import (
    check_alternating_step,
    check_central_difference,
    check_phi_gradient,
    check_two_gradients,
)
from hfnmp_lite.teach.checks.meta_pattern import (
    check_build_extractor,
    check_fold,
    check_gain,
    check_ring_power,
)
from hfnmp_lite.teach.checks.real_data import (
    check_choose_frames,
    check_for_rgb,
    check_rates_of_all,
    check_read_name,
)
from hfnmp_lite.teach.checks.start import (
    check_count_kinds,
    check_error_rates,
    check_live_score,
    check_to_batch,
)
from hfnmp_lite.teach.checks.training import (
    check_batch_indices,
    check_choose,
    check_freeze,
    check_learning_rate,
)
from hfnmp_lite.teach.checks.verdict import Verdict

__all__ = [
    "Verdict",
    "check_alternating_step",
    "check_apparent_frequency",
    "check_batch_indices",
    "check_best_in_hindsight",
    "check_best_of_many",
    "check_build_extractor",
    "check_central_difference",
    "check_choose",
    "check_choose_frames",
    "check_count_kinds",
    "check_cue_change",
    "check_draw_subjects",
    "check_eer_threshold",
    "check_error_rates",
    "check_fold",
    "check_for_rgb",
    "check_freeze",
    "check_fuse",
    "check_gain",
    "check_gains_of_both",
    "check_gradient_norms",
    "check_integrated_gradients",
    "check_iso_rates",
    "check_lbp_code",
    "check_lbp_map",
    "check_learning_rate",
    "check_live_score",
    "check_mean_gain",
    "check_nearly_black",
    "check_occlusion_change",
    "check_one_conv",
    "check_one_level",
    "check_paired_gains",
    "check_peak_frequency",
    "check_phi_gradient",
    "check_pitch_in_pixels",
    "check_rates_of_all",
    "check_read_name",
    "check_ring_power",
    "check_share_inside",
    "check_shift",
    "check_smallest_rotation",
    "check_stream_shapley",
    "check_to_batch",
    "check_two_gradients",
    "check_two_losses",
]
