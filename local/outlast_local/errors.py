"""What keeps a local stack, or a new project, from coming to be. The message says what to do.

LocalError
├── AlreadyRunning   another stack runs in the folder
├── NotRunning       the stack, or the part that was asked for, does not run
├── PortTaken        somebody else listens at one of its ports
├── ForeignRestate   Restate's address is set to another one than the stack's own
├── ForeignFolder    somebody else has the place for Restate's sockets
├── NoRestate        there is no Restate server, nor a way to get one
├── NotFetched       it could not be fetched
├── ProcessDied      a part ended while it was waited for; with the end of its log
├── NotReady         a part takes too long; the same
├── NotRegistered    Restate and the worker did not come together
├── DevelopmentEnded no change of the code would be served
└── NotMade          a project could not be written
"""

from outlast.errors import OutlastError


class LocalError(OutlastError):
    """Base of all of them."""


class AlreadyRunning(LocalError):
    pass


class NotRunning(LocalError):
    pass


class PortTaken(LocalError):
    pass


class ForeignRestate(LocalError):
    pass


class ForeignFolder(LocalError):
    pass


class NoRestate(LocalError):
    pass


class NotFetched(LocalError):
    pass


class ProcessDied(LocalError):
    pass


class NotReady(LocalError):
    pass


class NotRegistered(LocalError):
    pass


class DevelopmentEnded(LocalError):
    pass


class NotMade(LocalError):
    pass
