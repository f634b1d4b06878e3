"""The folder for what this program keeps itself: the map of keys, and exports. Its owner only may read it.

Nothing is made in it before something is to be kept.
"""

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from letta_conv_mcp import errors
from letta_conv_mcp.settings import Settings

FOLDER_MODE = 0o700
FILE_MODE = 0o600


@dataclass(frozen=True)
class StateFolder:
    """The folder.

    Attributes:
        chosen: where it is; None for the usual place of this user's state.
    """

    chosen: Path | None

    @property
    def path(self) -> Path:
        """Where it is."""
        if self.chosen is not None:
            return self.chosen
        # Imported where it is needed: hosts wait for the start.
        from platformdirs import user_state_path

        return user_state_path("letta-conv-mcp", False)

    @property
    def keys(self) -> Path:
        """The map of keys."""
        return self.path / "keys.sqlite3"

    @property
    def locks(self) -> Path:
        """Locks that are held while something is made at most once."""
        return self.path / "locks"

    @property
    def exports(self) -> Path:
        """Whole transcripts."""
        return self.path / "exports"

    def make(self) -> None:
        """Make what is missing.

        Raises:
            StateUnusable: it can't be made, or is another user's.
        """
        try:
            for folder in self._folders():
                folder.mkdir(mode=FOLDER_MODE, parents=True, exist_ok=True)
            about = self.path.stat()
        except OSError as error:
            raise unusable(self.path, error) from None
        # Windows keeps what is a user's to that user.
        if os.name == "posix" and (about.st_uid != os.getuid() or about.st_mode & 0o022):
            raise errors.StateUnusable(f"{self.path} is another user's, or others may write there")

    def _folders(self) -> Iterator[Path]:
        yield from (self.path, self.locks, self.exports)


def state_folder_of(settings: Settings) -> StateFolder:
    """The folder that the settings name, or else the usual one for this user's state."""
    return StateFolder(Path(settings.state_dir) if settings.state_dir else None)


def unusable(path: Path, error: OSError) -> errors.StateUnusable:
    """What an error of the operating system means."""
    return errors.StateUnusable(f"{path} can't be made, read or written ({os.strerror(error.errno or 0)})")
