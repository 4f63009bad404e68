"""The registry: each method with its scope, its types and what the OpenRPC document says of it."""

import inspect
import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any, TypeVar, get_type_hints

from notifications.exceptions import NotificationsError
from notifications.models import ServiceKey
from notifications.rpc.errors import Code, RpcError, of
from notifications.rpc.schemas import Params, bind, validate

logger = logging.getLogger(__name__)

Scope = ServiceKey.Scope
F = TypeVar("F", bound=Callable[..., Awaitable[Any]])


@dataclass(frozen=True, slots=True, eq=False)
class Method:
    """One method: `function` takes its validated parameters and gives a result that is JSON."""

    name: str
    scope: ServiceKey.Scope | None
    """What a key must be allowed; None: any key."""
    writes: bool
    params: type[Params]
    returns: Any
    """The type of the result, for its schema."""
    summary: str
    description: str
    errors: tuple[Code, ...]
    """Beyond those that any call can meet."""
    example: dict[str, Any]
    """Parameters by name, and the `result` they may have."""
    result: Any
    function: Callable[[Any], Awaitable[Any]] = field(repr=False)

    async def __call__(self, args: list[Any], kwargs: dict[str, Any]) -> Any:
        """Run it with raw parameters by position or by name; raises nothing but `RpcError`."""
        try:
            params = validate(self.params, bind(self.params, args, kwargs))
            return await self.function(params)
        except NotificationsError as error:
            raise of(error) from None
        except Exception:
            # Not the parameters, which are users' business, and not to the caller.
            logger.exception("%s failed", self.name)
            raise RpcError(Code.INTERNAL_ERROR) from None


METHODS: dict[str, Method] = {}


def method(
    name: str,
    *,
    scope: ServiceKey.Scope | None,
    writes: bool = False,
    errors: tuple[Code, ...] = (),
    example: dict[str, Any],
    result: Any,
) -> Callable[[F], F]:
    """Register an async function of one `Params` model as the method `name`.

    Its docstring's first line is the summary, the rest the description; its annotations are the schemas.
    """

    def register(function: F) -> F:
        hints = get_type_hints(function, include_extras=True)
        summary, _, description = (inspect.getdoc(function) or "").partition("\n")
        (params,) = (hint for parameter, hint in hints.items() if parameter != "return")
        METHODS[name] = Method(
            name=name,
            scope=scope,
            writes=writes,
            params=params,
            returns=hints["return"],
            summary=summary,
            description=description.strip(),
            errors=errors,
            example=example,
            result=result,
            function=function,
        )
        return function

    return register
