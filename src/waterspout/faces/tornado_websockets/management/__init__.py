"""The command for manage.py."""
