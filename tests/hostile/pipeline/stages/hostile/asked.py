"""What are the stages asked, and what do they answer?"""

from __future__ import annotations

from pydantic import BaseModel


class Asked(BaseModel):
    n: int
    do: str = "answer"


class Done(BaseModel):
    n: int
    said: str = ""
