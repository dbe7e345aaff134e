"""The programs behind `make` targets, other than the tests."""
