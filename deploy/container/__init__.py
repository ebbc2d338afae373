"""What the image runs besides the project itself.

entrypoint.sh   the command of a container → the process
alive.py        the image's health check; `alive` in the container
"""
