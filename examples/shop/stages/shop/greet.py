"""What do we say to a visitor?"""

from pydantic import BaseModel

from farandole import Reject


class Visitor(BaseModel):
    name: str


class Greeting(BaseModel):
    name: str
    text: str


def greet(visitor: Visitor) -> Greeting:
    """A plain function: no decorator, no base class. It is tested by calling it."""
    if not visitor.name:
        raise Reject("a visitor without a name")  # a dead letter at once, without a retry
    return Greeting(name=visitor.name, text=f"Hello, {visitor.name}")
