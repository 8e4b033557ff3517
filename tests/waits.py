"""What an engine waits for."""

from waterspout import Engine


def waits(engine: Engine) -> int:
    """Count the deadlines that are set, after the log has written how many lines it left out, for which it has some."""
    engine.log.flush()
    return len(engine.deadlines)
