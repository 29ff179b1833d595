"""Pages of one file each: no network, nothing executed that is not ours, inert whatever it shows.

``page`` fills the templates, ``charts`` lays out curves and intervals, ``ablation`` gathers what
the page of an experiment shows. ``templates/base.html`` and ``style.css`` are shared by all pages.
"""
