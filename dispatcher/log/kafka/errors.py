"""Maps the Kafka client's errors to ours. append.py decides about appends: only it knows whether the record may have
been written."""

from __future__ import annotations

from aiokafka import errors as kafka

from dispatcher.errors import LogDamaged, LogError, LogUnavailable


def mapped(error: BaseException, bootstrap: str) -> LogError:
    """Our error for theirs, a time-out or a broken connection, as one sentence that names the broker."""
    match error:
        case LogError():
            return error
        case kafka.OffsetOutOfRangeError() | kafka.CorruptRecordException():
            return LogDamaged(
                "the Kafka log at {bootstrap} has lost or damaged a record: {error}", bootstrap=bootstrap, error=error
            )
        case (
            kafka.TopicAuthorizationFailedError()
            | kafka.GroupAuthorizationFailedError()
            | kafka.ClusterAuthorizationFailedError()
        ):
            return LogError(
                "the Kafka broker at {bootstrap} does not allow this: {reason}",
                bootstrap=bootstrap,
                reason=_reason(error),
            )
        case kafka.KafkaError() | kafka.ConsumerStoppedError() | TimeoutError() | OSError() if _may_pass(error):
            return unavailable(bootstrap, _reason(error))
        case _:
            return LogError(
                "the Kafka broker at {bootstrap} refused: {reason}", bootstrap=bootstrap, reason=_reason(error)
            )


def unavailable(bootstrap: str, reason: str) -> LogUnavailable:
    """The broker does not answer."""
    return LogUnavailable(
        "the Kafka broker at {bootstrap} does not answer ({reason}); start it, or correct [log] url",
        bootstrap=bootstrap,
        reason=reason,
    )


def closed(bootstrap: str) -> LogUnavailable:
    """The error of a call after `close`."""
    return LogUnavailable("the log on {bootstrap} was closed", bootstrap=bootstrap)


def _may_pass(error: BaseException) -> bool:
    if isinstance(error, kafka.KafkaTimeoutError | kafka.KafkaUnavailableError):
        return True
    return not isinstance(error, kafka.KafkaError) or error.retriable


def _reason(error: BaseException) -> str:
    return str(error) or type(error).__name__
