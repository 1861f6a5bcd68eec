"""What the guard answers itself, beside `ForeignHost` and `ForeignPage`.

These are not problems of the app, and so not in its list.
"""

from outlast.errors import Problem


class UnclearHead(Problem):
    slug, title, status = "unclear-head", "The head of the request can't be read in one way", 400


class RestateUnreachable(Problem):
    slug, title, status = "restate-unreachable", "Restate can't be reached", 502
