"""Several steps in one: init, ship, rehearse, demo, doctor."""
