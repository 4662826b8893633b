"""Grids: the same picture with one, two or three things varied, side by side.

`plan_grid` says what there is to draw, `draw_grid` draws it, `grid` does both.
"""

from hubtools.inference.grid.draw import draw_grid, grid
from hubtools.inference.grid.drawn import GridResult
from hubtools.inference.grid.plan import GridPlan, plan_grid

__all__ = ["GridPlan", "GridResult", "draw_grid", "grid", "plan_grid"]
