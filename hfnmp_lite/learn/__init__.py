from hfnmp_lite.config import forget_ranks

forget_ranks()  # before `compute` imports Lightning, which stumbles over one that is no number
