"""What all sections of the configuration share: frozen, no unknown key, paths as paths.

Diagnostics: raised as ValueError inside pydantic, which gathers them. Source: ours.
"""

from pathlib import Path
from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, ConfigDict


class Settings(BaseModel):
    """One section of the file."""

    model_config = ConfigDict(frozen=True, extra="forbid")


def _empty_if_null(value: Any) -> Any:
    return {} if value is None else value


def _path(value: Any) -> Any:
    if not isinstance(value, str) or not value.strip() or "\0" in value:
        if isinstance(value, Path):
            return value
        raise ValueError("must be a path")
    return Path(value)


def _once(value: Any) -> Any:
    names = [name.lower() for name in value if isinstance(name, str)] if isinstance(value, dict) else []
    if len(set(names)) != len(names):
        raise ValueError("names one thing twice, in capitals and in small letters")
    return _empty_if_null(value)


FilePath = Annotated[Path, BeforeValidator(_path)]
Section = BeforeValidator(_empty_if_null)  # a section whose keys are all commented out is empty, not wrong
Named = BeforeValidator(_once)  # a table of names, which do not differ by their case
