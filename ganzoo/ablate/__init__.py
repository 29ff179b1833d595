"""Ablations: many runs of one recipe that differ in named ways, compared honestly.

``plan`` reads the file, ``grid`` makes one recipe per variant and seed, an engine (``local`` or
``on_ray``) has workers run or resume each in its own folder, ``observations`` and ``comparison``
compare.
"""
