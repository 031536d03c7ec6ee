"""Prints a session of the demo's administrator."""

from demo import Admin

print(Admin().token)
