"""What people look at: sheets of images, films, curves, and pages of one file each.

A page needs no network, executes nothing that is not ours, and is inert whatever it shows. ``page``
fills the templates, ``charts`` lays out curves and intervals; ``templates/base.html`` and
``style.css`` are shared by all pages.
"""
