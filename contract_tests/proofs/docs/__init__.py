"""The pictures, figures and recorded sessions of the site: `make docs-pictures` makes them."""
