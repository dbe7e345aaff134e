"""A StatsD server on loopback that adds up the metrics that it receives."""

from __future__ import annotations

from collections import defaultdict
from socketserver import BaseRequestHandler, UDPServer

from tests.support.s3.listener import Listener


class StatsD(Listener):
    """Adds up counters, and keeps the last value of gauges and timers, by name.

    Attributes:
        counters: sums since the start.
        latest: the last value of each gauge, and of each timer in milliseconds.
    """

    def __init__(self) -> None:
        self.counters: defaultdict[str, float] = defaultdict(float)
        self.latest: dict[str, float] = {}
        statsd = self

        class Handler(BaseRequestHandler):
            def handle(self) -> None:
                for line in self.request[0].decode().splitlines():
                    statsd._take(line)

        server = UDPServer(("127.0.0.1", 0), Handler)
        self._address = server.server_address
        super().__init__(server)

    def settings(self) -> dict[str, str]:
        """Return environment variables that make Airflow send the metrics of copy jobs to it."""
        host, port = self._address[:2]
        return {
            "AIRFLOW__METRICS__STATSD_ON": "True",
            "AIRFLOW__METRICS__STATSD_HOST": str(host),
            "AIRFLOW__METRICS__STATSD_PORT": str(port),
            "AIRFLOW__METRICS__METRICS_ALLOW_LIST": "s3copy",
        }

    def _take(self, line: str) -> None:
        name, _, measured = line.rpartition(":")
        value, kind = measured.split("|")[:2]
        if kind == "c":
            self.counters[name] += float(value)
        else:
            self.latest[name] = float(value)
