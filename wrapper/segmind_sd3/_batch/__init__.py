"""Many calls: a journal says what is to do, and workers do it, each job once.

Nothing here is imported before a batch is made: SQLAlchemy is an extra.
"""
