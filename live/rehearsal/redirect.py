"""A client session whose every name leads to loopback: URLs stay as they are, and nothing leaves the machine."""

import asyncio
import ipaddress
import socket
import ssl
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import aiohttp
from aiohttp.abc import AbstractResolver, ResolveResult

from engine.contract.errors import EnvironmentFault, broken

LOOPBACK = "127.0.0.1"


class LoopbackResolver(AbstractResolver):
    """Leads every name to one loopback port, or to a port of its own.

    Parameters
    ----------
    port
        Where names lead.
    ports
        Names that lead elsewhere.
    """

    def __init__(self, port: int, ports: Mapping[str, int] | None = None) -> None:
        self._port, self._ports = port, dict(ports or {})

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        """Answer loopback, whatever is asked."""
        return [
            ResolveResult(
                hostname=host,
                host=LOOPBACK,
                port=self._ports.get(host, self._port),
                family=socket.AF_INET,
                proto=0,
                flags=socket.AI_NUMERICHOST,
            )
        ]

    async def close(self) -> None:
        """Nothing is held."""


def guarded_socket(address: tuple[Any, ...]) -> socket.socket:
    """Open a socket to a loopback address, and to no other.

    Raises
    ------
    EnvironmentFault
        The address is not loopback.
    """
    family, kind, proto, _, target = address
    if not ipaddress.ip_address(target[0]).is_loopback:
        rule, remedy = "stay on loopback", "use its names, not addresses"
        raise EnvironmentFault(broken("connection of a rehearsal", rule, target[0], remedy=remedy))
    return socket.socket(family, kind, proto)


def loopback_session(
    tls_port: int, authority: Path | str, loop: asyncio.AbstractEventLoop | None = None
) -> aiohttp.ClientSession:
    """Open a session for ccxt (`exchange.session`) that reaches the rehearsal exchange by the real exchange's names.

    Whoever opens it closes it; ccxt closes only sessions of its own.

    Parameters
    ----------
    tls_port
        The exchange's TLS port.
    authority
        Certificate of its throwaway authority, the only one that is trusted.
    """
    context = ssl.create_default_context(cafile=str(authority))
    connector = aiohttp.TCPConnector(
        resolver=LoopbackResolver(tls_port),
        ssl=context,
        use_dns_cache=False,
        family=socket.AF_INET,
        socket_factory=guarded_socket,
        loop=loop,
    )
    return aiohttp.ClientSession(connector=connector, trust_env=False)
