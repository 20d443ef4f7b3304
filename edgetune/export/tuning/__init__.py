"""Choosing tiles by timing them on the board, instead of by rule."""
