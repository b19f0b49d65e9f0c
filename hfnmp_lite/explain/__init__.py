"""Where a decision came from: attributions, and whether they can be trusted.

To be read in this order: `response` (the number that is explained, and its baseline), `question`,
`layers` and `attribution` (the methods; Captum lives there alone), `streams` (Shapley values);
`cue_sets` (pictures whose cues are known), `measures` and `examine` (one network before one
person), `table`, `answers` and `faithfulness` (many people, summed up and answered in words);
`tour` and `drawn` (the pictures of `hfnmp explain`).
"""
