"""RecipeSearch: recipes that hold limits, found by trials judged on validation images."""
