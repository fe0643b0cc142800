"""How good results are, as pure functions of tables: ``truth`` (reading), ``detection`` (persons found), ``mot``
(identities kept), ``exposure`` (what masks leave visible), ``summary`` (all of it side by side)."""
