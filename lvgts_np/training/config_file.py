"""A Config as a JSON file, one field a line."""

import dataclasses
import json

from lvgts_np.training.config import FIELDS, Config, ConfigError
from lvgts_np.training.files import write_json


def save(config, path):
    """Write a complete config as JSON, one field a line, reloadable by `load`."""
    write_json(path, dataclasses.asdict(config))


def load(path):
    """The Config in a JSON file that `save` wrote; ConfigError names the file and the fault."""
    try:
        return _complete(_read_object(path))
    except ConfigError as error:
        raise ConfigError(f"config {path}: {error}") from error


def _read_object(path):
    """The JSON object in a file, as a dict."""
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ConfigError(f"{error.strerror}; must be a file like a run's config.json") from error
    except UnicodeDecodeError as error:
        raise ConfigError(f"byte {error.start} is no text; must be JSON in UTF-8") from error
    except (ValueError, RecursionError) as error:
        raise ConfigError(f"{error}; must be JSON like a run's config.json") from error
    if not isinstance(content, dict):
        raise ConfigError("must be one JSON object of fields, like a run's config.json")
    return content


def _complete(fields):
    """A Config of exactly these fields. An unknown name comes first: it may explain a missing."""
    config = Config().replace(**fields)
    missing = [name for name in FIELDS if name not in fields]
    if missing:
        default = json.dumps(getattr(Config(), missing[0]))
        raise ConfigError(f"field {missing[0]!r} is missing; its default is {default}")
    return config
