"""How good results are, as pure functions of tables and arrays.

Reading: ``truth``. Persons found: ``detection``, ``coco`` (as pycocotools), ``protocol_4dor`` (as published on 4D-OR),
``operating`` (F2, F3), ``poses``, ``association``. Identities kept: ``mot``, ``hota``. Over views: ``observations``,
``multiview``. What masks leave visible: ``exposure``, ``continuity``, ``exposure_rates``, ``heads``. How sure we are:
``bootstrap``, ``bounds``, ``strata``, ``unlabelled``, ``calibration``. All of it side by side: ``summary``.
"""
