"""How good fakes are: feature networks, what fakes are held against, and where a score comes from.

The formulas are plugins (``ganzoo_metrics``); this package shows them images and features, takes
the floor beside every score, writes down how it was measured, and refuses to compare unlike scores.
"""
