"""Watch a few ordinary videos of a hand doing something, and get a robot skill.

Importing this package imports nothing else: the robot's controller lives in it and needs only numpy.
"""

__version__ = "0.1.0"
