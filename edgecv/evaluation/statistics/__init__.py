"""Statistics of two models' scores on the same images, independent of any task.

Scores of 0 and 1 are compared by the exact McNemar test and Tango's interval (``binary_scores``),
also within groups of the images (``groups``). Real scores, and metrics of a whole set, by the
bootstrap over images and Wilcoxon's test (``real_scores``).
"""
