"""A Config as a JSON file, one field a line."""

import json

from lvgts_np.tasks import TaskError
from lvgts_np.training.config import Config, ConfigError
from lvgts_np.training.files import MAX_JSON, read_bytes, write_json


def save(config, path):
    """Write a complete config as JSON, one field a line, reloadable by `load`."""
    write_json(path, config.as_dict(), synced=True)


def load(path):
    """The Config in a JSON file that `save` wrote; ConfigError names the file and the fault."""
    try:
        return _complete(json.loads(read_bytes(path, MAX_JSON).decode("utf-8-sig")))
    except (ConfigError, TaskError) as error:
        fault = error
    except OSError as error:
        fault = f"{error.strerror}; must be a file like a run's config.json"
    except (ValueError, RecursionError) as error:
        fault = f"{error}; must be JSON in UTF-8, like a run's config.json"
    raise ConfigError(f"config {path}: {fault}")


def _complete(fields):
    """A Config of exactly these fields. An unknown name comes first: it may explain a missing."""
    if not isinstance(fields, dict):
        raise ConfigError("must be one JSON object of fields, like a run's config.json")
    config = Config().replace(**fields)
    for name, default in config.as_dict().items():
        if name not in fields:
            raise ConfigError(f"field {name!r} is missing; its default is {json.dumps(default)}")
    return config
